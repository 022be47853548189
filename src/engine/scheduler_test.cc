// Random workloads through the scheduler and the block pool, with the invariants after each step.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>

namespace fathom::engine {
namespace {

class SchedulerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Sequence> sequence(std::int64_t prompt, std::int64_t max_tokens) {
    GenerationRequest request;
    request.prompt.resize(static_cast<std::size_t>(prompt));
    request.max_tokens = max_tokens;
    return std::make_unique<Sequence>(
        RequestId{++last_id_}, std::move(request), [](GenerationDelta) {},
        TextOutput(tokenizer_, {}));
  }

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = *tokenizer::Tokenizer::load(
      std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/data/models/tiny-qwen2");
  std::uint64_t last_id_ = 0;
};

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
  EXPECT_EQ(pool.num_free(), 3);
  EXPECT_TRUE(pool.take(0)->empty());
}

TEST(BlockPoolDeathTest, StopsWhenABlockComesBackTwice) {
  BlockPool pool(2);
  const auto blocks = *pool.take(1);
  pool.give_back(blocks);
  EXPECT_DEATH(pool.give_back(blocks), "twice");
}

TEST_F(SchedulerTest, ServesInOrderAndNeverStallsDecoding) {
  Scheduler scheduler({.max_step_tokens = 8, .max_batch_size = 4, .block_tokens = 16}, 100);
  scheduler.enqueue(sequence(1, 5));
  scheduler.enqueue(sequence(100, 5));
  scheduler.enqueue(sequence(3, 5));
  const auto chunks = scheduler.schedule();
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_EQ(chunks[0].num_tokens, 1);  // the one that decodes
  EXPECT_EQ(chunks[1].num_tokens, 7);  // a chunk of the long prompt; the third waits
}

TEST_F(SchedulerTest, KeepsItsInvariantsUnderRandomLoad) {
  std::mt19937 random(std::random_device{}());
  const SchedulerLimits limits{.max_step_tokens = 24, .max_batch_size = 6, .block_tokens = 4};
  Scheduler scheduler(limits, 60);
  int alive = 0;
  for (int step = 0; step < 3000; ++step) {
    if (step < 2500 && random() % 4 == 0) {
      scheduler.enqueue(sequence(1 + random() % 90, 1 + random() % 40));
      ++alive;
    }
    const auto chunks = scheduler.schedule();
    std::int64_t rows = 0;
    std::map<BlockId, int> owners;
    std::set<const Sequence*> over;
    for (const ScheduledChunk& chunk : chunks) {
      rows += chunk.num_tokens;
      ASSERT_GE(chunk.num_tokens, 1);
      ASSERT_LE(chunk.num_tokens, chunk.sequence->num_pending());
      ASSERT_GE(std::ssize(chunk.sequence->blocks) * limits.block_tokens,
                chunk.sequence->max_total_tokens());
      for (const BlockId block : chunk.sequence->blocks) ASSERT_EQ(++owners[block], 1);
      const bool completes = chunk.num_tokens == chunk.sequence->num_pending();
      chunk.sequence->num_computed += chunk.num_tokens;
      if (!completes) continue;
      chunk.sequence->tokens.push_back(TokenId{0});
      if (chunk.sequence->num_completion_tokens() >= chunk.sequence->request.max_tokens) {
        over.insert(chunk.sequence);
      }
    }
    ASSERT_LE(rows, limits.max_step_tokens);
    ASSERT_LE(scheduler.num_running(), limits.max_batch_size);
    ASSERT_EQ(chunks.empty(), !scheduler.has_work());
    alive -= static_cast<int>(scheduler
                                  .remove_if([&](const Sequence& each) {
                                    return over.contains(&each) || random() % 200 == 0;
                                  })
                                  .size());
    ASSERT_EQ(scheduler.num_running() + scheduler.num_waiting(), alive);
  }
  while (scheduler.has_work()) {
    scheduler.remove_if([](const Sequence&) { return true; });
  }
  EXPECT_EQ(scheduler.blocks().num_free(), 60);
}

}  // namespace
}  // namespace fathom::engine
