// Generation counter, shared task counter, spin then sleep.
#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include "base/cgroup.h"

namespace fathom::base {
namespace {

// Longer than the gap between two kernels of a step, far shorter than a scheduler's time slice.
constexpr auto kSpin = std::chrono::microseconds(50);

void pause_core() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The control group's quota in whole cores; 0: none.
int cgroup_cores() {
  const double quota = cgroup_cpu(SystemFiles("/")).quota_cpus.value_or(kUnlimited);
  return quota == kUnlimited ? 0 : std::max(1, static_cast<int>(quota));
}

std::vector<int> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  return cores;
}

void pin(pthread_t thread, int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  // A refusal (a core taken away meanwhile) costs speed only.
  ::pthread_setaffinity_np(thread, sizeof(set), &set);
}

}  // namespace

int usable_cores() {
  const int allowed = std::max<int>(1, static_cast<int>(allowed_cores().size()));
  const int quota = cgroup_cores();
  return quota > 0 ? std::min(allowed, quota) : allowed;
}

ThreadPool::ThreadPool(int num_threads) {
  const int count = num_threads > 0 ? num_threads : usable_cores();
  const std::vector<int> cores = allowed_cores();
  for (int i = 1; i < count; ++i) {
    workers_.emplace_back(&ThreadPool::work, this);
    // The owner is left to the scheduler: it is the caller's thread, not ours. Workers take the
    // cores from the last downwards, so that the first stays free for it.
    if (static_cast<std::size_t>(count) <= cores.size()) {
      pin(workers_.back().native_handle(), cores[cores.size() - static_cast<std::size_t>(i)]);
    }
  }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::int64_t num_tasks, Task task, void* context) {
  if (num_tasks <= 0) return;
  if (num_tasks == 1 || workers_.empty()) {
    for (std::int64_t i = 0; i < num_tasks; ++i) task(context, i);
    return;
  }
  task_ = task;
  context_ = context;
  num_tasks_ = num_tasks;
  next_task_.store(0, std::memory_order_relaxed);
  num_active_workers_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  take_tasks();
  // Every worker has to see this loop before the next may begin.
  while (num_active_workers_.load(std::memory_order_acquire) > 0) pause_core();
}

void ThreadPool::take_tasks() {
  while (true) {
    const std::int64_t index = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (index >= num_tasks_) return;
    task_(context_, index);
  }
}

void ThreadPool::work() {
  std::uint64_t seen = 0;
  while (true) {
    const auto spin_end = std::chrono::steady_clock::now() + kSpin;
    while (generation_.load(std::memory_order_acquire) == seen &&
           std::chrono::steady_clock::now() < spin_end) {
      pause_core();
    }
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_) return;
    take_tasks();
    num_active_workers_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace fathom::base
