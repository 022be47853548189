// ThreadPool: a fixed set of pinned threads that run one parallel loop at a time.
//
// parallel_for() is called by one thread at a time, the owner, which takes part in the work. It
// allocates nothing and returns when every task has run. Workers spin for some tens of
// microseconds after a loop, because the next one usually follows at once, then sleep.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace fathom::base {

// Cores this process may use: its affinity mask and its cgroup's CPU quota, at least 1.
int usable_cores();

class ThreadPool {
 public:
  // num_threads counts the calling thread; 0 takes usable_cores().
  explicit ThreadPool(int num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  using Task = void (*)(void* context, std::int64_t index);
  // Runs task(context, i) for each i in [0, num_tasks), in any order on any thread.
  void run(std::int64_t num_tasks, Task task, void* context);

  // The same for a callable f(std::int64_t), which must not throw.
  template <typename F>
  void parallel_for(std::int64_t num_tasks, F&& f) {
    run(num_tasks, [](void* context, std::int64_t i) { (*static_cast<F*>(context))(i); }, &f);
  }

 private:
  void work();
  void take_tasks();

  std::vector<std::thread> workers_;
  // The loop in progress; written by the owner before it raises generation_.
  Task task_ = nullptr;
  void* context_ = nullptr;
  std::int64_t num_tasks_ = 0;
  std::atomic<std::int64_t> next_task_{0};
  std::atomic<int> num_active_workers_{0};
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<bool> stopping_{false};
  // Only for sleeping.
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace fathom::base
