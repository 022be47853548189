// StepLoop: the engine's steps without its threads: schedule, run, take in what was sampled.
//
// The same scheduler and runner in the same order as engine::Engine, one step ahead of what the
// host knows; no text is made, and nothing ends but by its length. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "engine/runner.h"
#include "engine/scheduler.h"

namespace fathom::bench {

class StepLoop {
 public:
  // The runner must outlive the loop, and no other loop may use it before drain().
  StepLoop(engine::Runner& runner, const engine::SchedulerLimits& limits, std::int64_t num_blocks)
      : runner_(runner), scheduler_(limits, num_blocks) {}

  // A greedy request whose answer may have max_answer_tokens; raise max_total_tokens to go on.
  engine::SequencePtr add(std::vector<base::TokenId> prompt, std::int64_t max_answer_tokens);

  // Enqueues the next step and waits for the one before: kInternal if a logit was not finite.
  base::Result<void> step();
  // Steps until every sequence has all its tokens and the host knows them.
  base::Result<void> drain();

 private:
  base::Result<void> collect();

  engine::Runner& runner_;
  engine::Scheduler scheduler_;
  std::uint64_t last_id_ = 0;
  bool is_in_flight_ = false;
};

}  // namespace fathom::bench
