// The scheduler by itself: order, budgets, reservations, pauses, shared prefixes.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include "engine/scheduler_simulator_test_data.h"

namespace fathom::engine {
namespace {

SequencePtr sequence(std::uint64_t id, std::int64_t prompt, std::optional<std::int64_t> answer,
                     std::int64_t context = 4096) {
  auto made = std::make_shared<Sequence>();
  made->id = RequestId{id};
  for (std::int64_t i = 0; i < prompt; ++i) made->tokens.push_back(static_cast<TokenId>(i));
  made->request.prompt = made->tokens;
  made->request.stop.max_tokens = answer;
  made->max_total_tokens = answer ? prompt + *answer : context;
  return made;
}

// What the engine does with a step's results: every last row gives a token.
void run(Scheduler& scheduler, const ScheduledStep& step) {
  for (const ScheduledChunk& chunk : step.chunks) {
    Sequence& each = *chunk.sequence;
    if (!chunk.is_last || each.is_embedding()) continue;
    each.num_in_flight = 0;
    each.tokens.push_back(TokenId{7});
  }
  for (const SequencePtr& each : scheduler.running()) scheduler.publish(*each);
}

TEST(Scheduler, ServesInOrderAndNeverStallsDecoding) {
  Scheduler scheduler({.max_step_tokens = 8, .max_batch_size = 4, .block_tokens = 16}, 100);
  scheduler.enqueue(sequence(1, 1, 5));
  scheduler.enqueue(sequence(2, 100, 5));
  scheduler.enqueue(sequence(3, 3, 5));
  const auto step = scheduler.schedule();
  ASSERT_EQ(step.chunks.size(), 2U);
  EXPECT_EQ(step.chunks[0].num_tokens, 1);  // the one that decodes
  EXPECT_EQ(step.chunks[1].num_tokens, 7);  // a chunk of the long prompt; the third waits
}

TEST(Scheduler, AdmitsByPriorityThenArrival) {
  Scheduler scheduler({.max_step_tokens = 8, .max_batch_size = 1, .block_tokens = 16}, 100);
  scheduler.enqueue(sequence(1, 1, 1));
  auto urgent = sequence(2, 1, 1);
  urgent->request.priority = -1;
  scheduler.enqueue(urgent);
  EXPECT_EQ(scheduler.schedule().chunks[0].sequence, urgent);
}

TEST(Scheduler, TellsHowManyTokensWait) {
  Scheduler scheduler({.max_step_tokens = 8, .max_batch_size = 1, .block_tokens = 16}, 100);
  for (const int id : {1, 2, 3})
    scheduler.enqueue(sequence(static_cast<std::uint64_t>(id), id * 10, 5));
  EXPECT_EQ(scheduler.num_waiting_tokens(), 60);
  scheduler.schedule();  // the first runs
  EXPECT_EQ(scheduler.num_waiting_tokens(), 50);
  scheduler.remove_if([](const Sequence& each) { return each.id == RequestId{2}; });
  EXPECT_EQ(scheduler.num_waiting_tokens(), 30);
}

TEST(Scheduler, KeepsWhatMaxTokensNeedsAndLetsOthersWait) {
  Scheduler scheduler({.max_step_tokens = 64, .max_batch_size = 8, .block_tokens = 16}, 10);
  scheduler.enqueue(sequence(1, 32, 96));  // 8 blocks
  scheduler.enqueue(sequence(2, 32, 16));  // 3: do not fit
  scheduler.enqueue(sequence(3, 1, 1));    // would fit, but comes later
  scheduler.schedule();
  EXPECT_EQ(scheduler.num_running(), 1);
  EXPECT_EQ(scheduler.blocks().num_held(), 8);
  scheduler.remove_if([](const Sequence& each) { return each.id == RequestId{1}; });
  scheduler.schedule();
  EXPECT_EQ(scheduler.num_running(), 2);
}

TEST(Scheduler, PausesTheYoungestThatNamedNoLimitAndComputesItAnew) {
  Scheduler scheduler({.max_step_tokens = 64,
                       .max_batch_size = 8,
                       .block_tokens = 4,
                       .reserve_tokens = 4,
                       .use_prefix_cache = false},
                      8);
  const auto old = sequence(1, 4, std::nullopt, 32);
  const auto young = sequence(2, 4, std::nullopt, 32);
  const auto named = sequence(3, 4, 4);
  for (const auto& each : {old, young, named}) scheduler.enqueue(each);
  // Two blocks each at first; the one that named its limit ends, the others grow until they meet.
  bool was_paused = false;
  for (int i = 0; i < 60 && scheduler.has_work(); ++i) {
    const auto step = scheduler.schedule();
    run(scheduler, step);
    was_paused |= young->num_pauses > 0 && young->slot < 0 && young->blocks.empty();
    EXPECT_EQ(old->num_pauses, 0);
    EXPECT_EQ(named->num_pauses, 0);
    scheduler.remove_if([](const Sequence& each) { return each.is_full(); });
  }
  EXPECT_TRUE(was_paused);
  EXPECT_EQ(old->num_known(), 32);
  EXPECT_EQ(young->num_known(), 32);
  EXPECT_EQ(scheduler.blocks().num_held(), 0);
  EXPECT_EQ(scheduler.num_waiting_tokens(), 0);
}

TEST(Scheduler, SharesPrefixesWithinATenantAlone) {
  Scheduler scheduler({.max_step_tokens = 64, .max_batch_size = 8, .block_tokens = 4}, 50);
  scheduler.enqueue(sequence(1, 20, 4));
  run(scheduler, scheduler.schedule());
  const auto same = sequence(2, 20, 4);
  const auto longer = sequence(3, 30, 4);
  const auto other = sequence(4, 20, 4);
  other->request.tenant = "somebody else";
  for (const auto& each : {same, longer, other}) scheduler.enqueue(each);
  scheduler.schedule();
  EXPECT_EQ(same->num_cached, 16);  // the last token is computed for its logits
  EXPECT_EQ(longer->num_cached, 20);
  EXPECT_EQ(other->num_cached, 0);
  EXPECT_EQ(same->blocks[0], longer->blocks[0]);
  EXPECT_NE(same->blocks[0], other->blocks[0]);
}

TEST(Scheduler, KeepsItsInvariantsUnderRandomLoad) {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    SchedulerSimulator simulator(seed);
    ASSERT_NO_FATAL_FAILURE(simulator.run(2'000)) << "seed " << seed;
  }
}

TEST(BlockPool, GivesEachBlockOnce) {
  BlockPool pool(5);
  auto first = pool.take(3);
  ASSERT_TRUE(first);
  EXPECT_FALSE(pool.take(3));
  auto second = pool.take(2);
  ASSERT_TRUE(second);
  std::set<BlockId> all(first->begin(), first->end());
  all.insert(second->begin(), second->end());
  EXPECT_EQ(all.size(), 5U);
  pool.give_back(*first);
  EXPECT_EQ(pool.num_available(), 3);
  EXPECT_TRUE(pool.take(0)->empty());
}

TEST(BlockPool, ForgetsTheLeastRecentlyUsedAndItsLeavesFirst) {
  BlockPool pool(4);
  const BlockHash root = root_hash("");
  std::vector<BlockHash> hashes;
  auto chain = *pool.take(3);
  for (int i = 0; i < 3; ++i) {
    const std::vector<TokenId> tokens{static_cast<TokenId>(i)};
    hashes.push_back(next_hash(i == 0 ? root : hashes.back(), tokens));
    pool.publish(chain[static_cast<std::size_t>(i)], hashes.back());
  }
  pool.give_back(chain);
  EXPECT_EQ(pool.num_available(), 4);
  EXPECT_EQ(pool.num_cached(), 3);
  const auto taken = *pool.take(2);  // the free one, then the end of the chain
  EXPECT_FALSE(pool.share(hashes[2]));
  EXPECT_EQ(pool.share(hashes[0]), chain[0]);
  EXPECT_EQ(pool.share(hashes[0]), chain[0]);
  const std::vector<BlockId> held{chain[0]};
  pool.give_back(held);
  EXPECT_EQ(pool.num_available(), 1);  // chain[1]; chain[0] is still held once
  pool.give_back(held);
  pool.give_back(taken);
  EXPECT_EQ(pool.num_available(), 4);
}

TEST(BlockPoolDeathTest, StopsWhenABlockComesBackTwice) {
  BlockPool pool(2);
  const auto blocks = *pool.take(1);
  pool.give_back(blocks);
  EXPECT_DEATH(pool.give_back(blocks), "twice");
}

}  // namespace
}  // namespace fathom::engine
