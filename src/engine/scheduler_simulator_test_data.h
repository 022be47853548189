// Random requests through the scheduler and the block pool, one step behind as in the engine, with
// the invariants checked after every step. For tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "engine/scheduler.h"

namespace fathom::engine {

class SchedulerSimulator {
 public:
  explicit SchedulerSimulator(std::uint32_t seed)
      : random_(seed),
        is_synchronous_(below(3) == 0),
        limits_{.max_step_tokens = 8 + below(40),
                .max_batch_size = 1 + below(8),
                .block_tokens = std::int64_t{1} << below(5),
                .reserve_tokens = 1 + below(30),
                .max_prompt_logit_rows = 1 + below(8),
                .max_draft_tokens = is_synchronous_ ? 1 + below(4) : 0,
                .use_prefix_cache = below(4) != 0},
        num_blocks_((kContextTokens + limits_.block_tokens - 1) / limits_.block_tokens *
                    (1 + below(4))),
        scheduler_(limits_, num_blocks_) {}

  void run(std::int64_t num_steps) {
    for (std::int64_t i = 0; i < num_steps; ++i) {
      if (i < num_steps - num_steps / 8 && below(3) == 0) submit();
      ASSERT_NO_FATAL_FAILURE(step());
    }
    for (std::int64_t i = 0; scheduler_.has_work(); ++i) {
      ASSERT_LT(i, 200'000) << "the work does not end";
      ASSERT_NO_FATAL_FAILURE(step());
    }
    EXPECT_EQ(scheduler_.blocks().num_held(), 0);
    EXPECT_EQ(scheduler_.num_waiting_tokens(), 0);
  }
  const SchedulerCounters& counters() const { return scheduler_.counters(); }

 private:
  static constexpr std::int64_t kContextTokens = 128;

  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }

  void submit() {
    auto made = std::make_shared<Sequence>();
    made->id = RequestId{++last_id_};
    const std::int64_t prompt = 1 + below(kContextTokens - 1);
    // Few distinct tokens, so that prefixes and guesses meet.
    const auto family = static_cast<std::int32_t>(below(3));
    for (std::int64_t i = 0; i < prompt; ++i) {
      made->tokens.push_back(static_cast<TokenId>(i % 7 + (i < 40 ? 0 : family * 10)));
    }
    GenerationRequest& request = made->request;
    request.prompt = made->tokens;
    request.priority = below(3);
    request.tenant = below(4) == 0 ? "other" : "";
    if (below(2) == 0) request.stop.max_tokens = 1 + below(kContextTokens - prompt);
    if (below(4) == 0) request.sampling.presence_penalty = 1;
    if (below(6) == 0) request.prompt_logprobs = 0;
    made->max_total_tokens =
        request.stop.max_tokens ? prompt + *request.stop.max_tokens : kContextTokens;
    if (below(6) == 0) {
      made->pooling = Pooling::kMean;
      made->max_total_tokens = prompt;
      request.prompt_logprobs.reset();
      request.sampling = {};
    }
    scheduler_.enqueue(std::move(made));
  }

  void step() {
    if (is_synchronous_) collect();
    const ScheduledStep next = scheduler_.schedule();
    ASSERT_NO_FATAL_FAILURE(check(next));
    if (!is_synchronous_) collect();
    in_flight_ = next.chunks;
    ASSERT_TRUE(!next.empty() || !in_flight_.empty() || !scheduler_.has_work() || was_in_flight_);
    if (below(20) == 0) {
      scheduler_.remove_if([this](const Sequence&) { return below(10) == 0; });
    }
    ASSERT_NO_FATAL_FAILURE(check_blocks());
  }

  void collect() {
    was_in_flight_ = !in_flight_.empty();
    for (const ScheduledChunk& chunk : in_flight_) {
      Sequence& each = *chunk.sequence;
      if (each.is_over || !chunk.is_last) continue;
      if (each.is_embedding()) {
        each.is_over = true;
        continue;
      }
      const std::int64_t num_results = 1 + std::ssize(each.draft);
      const std::int64_t num_accepted = 1 + below(num_results);
      each.num_in_flight -= num_results;
      for (std::int64_t i = 0; i < num_accepted; ++i) {
        each.tokens.push_back(static_cast<TokenId>(below(5)));
      }
      if (!each.draft.empty()) each.num_computed = each.num_known() - 1;
      each.draft.clear();
      if (each.is_full() || below(40) == 0) each.is_over = true;
    }
    in_flight_.clear();
    scheduler_.remove_if([](const Sequence& each) { return each.is_over; });
    for (const SequencePtr& each : scheduler_.running()) scheduler_.publish(*each);
  }

  void check(const ScheduledStep& step) {
    std::int64_t rows = 0;
    std::int64_t scored_rows = 0;
    std::set<const Sequence*> seen;
    for (const ScheduledChunk& chunk : step.chunks) {
      const Sequence& each = *chunk.sequence;
      const std::int64_t num_drafts = std::ssize(each.draft);
      ASSERT_TRUE(seen.insert(&each).second) << "twice in a step";
      ASSERT_GE(each.slot, 0);
      ASSERT_GE(chunk.num_tokens, 1);
      rows += chunk.num_tokens;
      scored_rows +=
          chunk.num_logit_rows - (chunk.is_last && !each.is_embedding() ? 1 : 0) - num_drafts;
      ASSERT_GE(std::ssize(each.blocks) * limits_.block_tokens,
                chunk.first_position + chunk.num_tokens);
      ASSERT_LE(each.num_tokens(), each.max_total_tokens);
      if (chunk.is_last && each.has_penalties()) {
        ASSERT_EQ(each.num_counted, each.num_tokens());
      }
      if (each.request.stop.max_tokens) {
        ASSERT_EQ(each.num_pauses, 0);
      }
    }
    ASSERT_LE(rows, limits_.max_step_tokens);
    ASSERT_LE(scored_rows, limits_.max_prompt_logit_rows);
    ASSERT_LE(scheduler_.num_running(), limits_.max_batch_size);
    // Whoever decodes is in every step.
    for (const SequencePtr& each : scheduler_.running()) {
      const bool decodes = !each->is_embedding() && each->num_completion_tokens() > 0 &&
                           each->num_pauses == 0 && !each->is_full();
      if (decodes) {
        ASSERT_TRUE(seen.contains(each.get()));
      }
    }
  }

  // Every block is held as often as sequences list it, and contents fit the positions.
  void check_blocks() {
    std::map<BlockId, std::int64_t> holders;
    std::set<std::int32_t> slots;
    for (const SequencePtr& each : scheduler_.running()) {
      ASSERT_TRUE(slots.insert(each->slot).second);
      std::set<BlockId> own(each->blocks.begin(), each->blocks.end());
      ASSERT_EQ(own.size(), each->blocks.size());
      for (const BlockId block : each->blocks) ++holders[block];
      // Only whole blocks of shared prefixes have several holders, never one still written to.
      for (std::size_t i = 0; i < each->blocks.size(); ++i) {
        const std::int64_t end = static_cast<std::int64_t>(i + 1) * limits_.block_tokens;
        if (end > each->num_computed && end > each->num_cached) {
          const auto [owner, is_new] = writers_.try_emplace(each->blocks[i], each.get());
          ASSERT_TRUE(is_new || owner->second == each.get());
        }
      }
    }
    writers_.clear();
    ASSERT_EQ(static_cast<std::int64_t>(holders.size()), scheduler_.blocks().num_held());
    ASSERT_LE(scheduler_.blocks().num_held(), num_blocks_);
  }

  std::mt19937 random_;
  bool is_synchronous_;
  SchedulerLimits limits_;
  std::int64_t num_blocks_;
  Scheduler scheduler_;
  std::uint64_t last_id_ = 0;
  std::vector<ScheduledChunk> in_flight_;
  bool was_in_flight_ = false;
  std::map<BlockId, const Sequence*> writers_;
};

}  // namespace fathom::engine
