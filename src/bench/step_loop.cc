// The order of a step is that of engine::Engine::step().
#include "bench/step_loop.h"

#include <memory>
#include <utility>

namespace fathom::bench {

using base::Result;

engine::SequencePtr StepLoop::add(std::vector<base::TokenId> prompt,
                                  std::int64_t max_answer_tokens) {
  auto sequence = std::make_shared<engine::Sequence>();
  sequence->id = engine::RequestId{++last_id_};
  sequence->tokens = prompt;
  sequence->max_total_tokens = std::ssize(prompt) + max_answer_tokens;
  sequence->request.prompt = std::move(prompt);
  sequence->request.sampling.temperature = 0;
  scheduler_.enqueue(sequence);
  return sequence;
}

Result<void> StepLoop::step() {
  const engine::ScheduledStep next = scheduler_.schedule();
  if (!next.empty()) runner_.enqueue_forward(next);
  TRY(collect());
  if (!next.empty()) runner_.enqueue_sampling({});
  is_in_flight_ = !next.empty();
  return {};
}

Result<void> StepLoop::collect() {
  if (!is_in_flight_) return {};
  is_in_flight_ = false;
  TRY(runner_.wait());
  const std::span<const engine::LogitRow> rows = runner_.rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const base::TokenId token = runner_.result(i).token;
    if (base::index(token) < 0) {
      return base::fail(base::ErrorCode::kInternal, "model",
                        "the logits at position {} are not finite: the figures would mean nothing",
                        rows[i].position);
    }
    --rows[i].sequence->num_in_flight;
    rows[i].sequence->tokens.push_back(token);
  }
  runner_.clear_results();
  return {};
}

Result<void> StepLoop::drain() {
  do {
    TRY(step());
  } while (is_in_flight_);
  return {};
}

}  // namespace fathom::bench
