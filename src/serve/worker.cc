// A queue and its threads.
#include "serve/worker.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"

namespace fathom::serve {

Worker::Worker(const WorkerOptions& options) : max_waiting_(options.max_waiting) {
  const std::size_t num_threads = std::max<std::size_t>(options.num_threads, 1);
  for (std::size_t i = 0; i < num_threads; ++i) threads_.emplace_back([this] { run(); });
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Worker::submit(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= max_waiting_) return false;
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void Worker::run() {
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    try {
      task();
    } catch (const std::exception& error) {
      base::log_error("a worker's task failed: {}", error.what());
    }
  }
}

}  // namespace fathom::serve
