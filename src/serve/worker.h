// Worker: threads that run tasks, so that long ones do not hold up the I/O thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace fathom::serve {

struct WorkerOptions {
  std::size_t num_threads = 1;  // at least one
  std::size_t max_waiting = 256;
};

// Thread-safe.
class Worker {
 public:
  explicit Worker(const WorkerOptions& options);
  // Drops what waits, ends what runs.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False if too many tasks wait already. Tasks begin in order and run side by side; what one
  // throws is logged and forgotten.
  bool submit(std::function<void()> task);

 private:
  void run();

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace fathom::serve
