// Worker: one thread that runs tasks in order, so that long ones do not hold up the I/O thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace fathom::serve {

// Thread-safe.
class Worker {
 public:
  explicit Worker(std::size_t max_waiting);
  // Drops what waits, ends what runs.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False if too many tasks wait already. A task must not throw.
  bool submit(std::function<void()> task);

 private:
  void run();

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace fathom::serve
