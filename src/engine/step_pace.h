// StepPace: how long steps take of late, and from it, how long work that is known will take.
#pragma once

#include <chrono>
#include <cstdint>

namespace fathom::engine {

// What requests that run and wait still need.
struct PendingWork {
  std::int64_t num_running = 0;
  std::int64_t num_waiting = 0;
  std::int64_t answer_tokens = 0;  // of those that run, at most
  std::int64_t prompt_tokens = 0;  // of all, not yet computed
};

// Not thread-safe: the step thread's.
class StepPace {
 public:
  // A step took so long; `prompt_tokens` of its rows were neither sampled nor guesses.
  void record(std::chrono::duration<double> elapsed, std::int64_t prompt_tokens);
  // Until all prompts are computed, and those that run and then those that wait have had their
  // turns, answers being as long as those that run. What has not been measured counts nothing;
  // what the prefix cache will save is not known. From one second to an hour.
  std::chrono::seconds time_for(const PendingWork& work) const;

 private:
  double step_seconds_ = 0;  // without prompts
  double prompt_token_seconds_ = 0;
};

}  // namespace fathom::engine
