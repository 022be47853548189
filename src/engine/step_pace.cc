// Two moving averages: of steps that only decode, and of what each row of a prompt adds to a step.
#include "engine/step_pace.h"

#include <algorithm>
#include <cmath>

namespace fathom::engine {
namespace {

constexpr double kWeight = 0.1;  // of the newest measurement
constexpr double kMaxSeconds = 3600;

void mix_in(double& average, double measured) {
  average = average == 0 ? measured : average + kWeight * (measured - average);
}

}  // namespace

void StepPace::record(std::chrono::duration<double> elapsed, std::int64_t prompt_tokens) {
  if (prompt_tokens == 0) return mix_in(step_seconds_, elapsed.count());
  const double added = std::max(elapsed.count() - step_seconds_, 0.0);
  mix_in(prompt_token_seconds_, added / static_cast<double>(prompt_tokens));
}

std::chrono::seconds StepPace::time_for(const PendingWork& work) const {
  const auto running = static_cast<double>(std::max<std::int64_t>(work.num_running, 1));
  const double turns = 1 + static_cast<double>(work.num_waiting) / running;
  const double steps = static_cast<double>(work.answer_tokens) / running * turns;
  const double seconds =
      steps * step_seconds_ + static_cast<double>(work.prompt_tokens) * prompt_token_seconds_;
  return std::chrono::seconds(
      static_cast<std::int64_t>(std::ceil(std::clamp(seconds, 1.0, kMaxSeconds))));
}

}  // namespace fathom::engine
