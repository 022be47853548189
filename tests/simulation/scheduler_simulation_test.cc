// One million steps of random workloads through the scheduler and the block pool.
#include <gtest/gtest.h>

#include "engine/scheduler_simulator_test_data.h"

namespace fathom::engine {
namespace {

TEST(SchedulerSimulation, KeepsItsInvariantsForAMillionSteps) {
  constexpr std::int64_t kSteps = 5'000;
  std::int64_t num_pauses = 0;
  std::int64_t cache_hits = 0;
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    SchedulerSimulator simulator(seed);
    ASSERT_NO_FATAL_FAILURE(simulator.run(kSteps)) << "seed " << seed;
    num_pauses += simulator.counters().num_pauses;
    cache_hits += simulator.counters().cache_hits;
  }
  // The workloads reach what they are there for.
  EXPECT_GT(num_pauses, 1'000);
  EXPECT_GT(cache_hits, 100'000);
}

}  // namespace
}  // namespace fathom::engine
