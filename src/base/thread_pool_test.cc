// Every task runs once, whatever the number of threads.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace fathom::base {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const int num_threads : {1, 2, 3, 8}) {
    ThreadPool pool(num_threads);
    EXPECT_EQ(pool.num_threads(), num_threads);
    for (const std::int64_t num_tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> counts(static_cast<std::size_t>(num_tasks));
      pool.parallel_for(num_tasks, [&](std::int64_t i) { ++counts[static_cast<std::size_t>(i)]; });
      for (const auto& count : counts) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, RunsManyLoopsBackToBackAndAfterSleeping) {
  ThreadPool pool(4);
  std::int64_t sum = 0;
  for (int round = 0; round < 2000; ++round) {
    std::int64_t parts[5] = {};
    pool.parallel_for(5, [&](std::int64_t i) { parts[i] = i; });
    for (const std::int64_t part : parts) sum += part;
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(sum, 2000 * 10);
}

TEST(ThreadPool, TakesAtLeastOneCore) { EXPECT_GE(usable_cores(), 1); }

}  // namespace
}  // namespace fathom::base
