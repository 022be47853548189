// Looks at every delta on its way to the caller.
#include "serve/metrics/measured_generator.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace fathom::serve {
namespace {

using Clock = std::chrono::steady_clock;

FinishReason reason_of(engine::FinishReason finish) {
  switch (finish) {
    case engine::FinishReason::kStop:
      return FinishReason::kStop;
    case engine::FinishReason::kLength:
      return FinishReason::kLength;
    case engine::FinishReason::kCancelled:
      return FinishReason::kAbort;
    case engine::FinishReason::kError:
      return FinishReason::kError;
  }
  return FinishReason::kError;
}

bool waited_too_long(const std::optional<base::Error>& error) {
  return error && error->code == base::ErrorCode::kUnavailable;
}

bool is_corrupted(const std::optional<base::Error>& error) {
  return error && error->code == base::ErrorCode::kInternal && error->where == "model";
}

// One answer's numbers while it runs; the output thread's alone.
class Measurement {
 public:
  Measurement(Metrics& metrics, const engine::GenerationRequest& request)
      : metrics_(metrics),
        group_(request.group ? request.group : std::make_shared<engine::AnswerGroup>(1)) {
    finished_.num_prompt_tokens = std::ssize(request.prompt);
    finished_.max_tokens = request.stop.max_tokens;
  }

  void see(const engine::GenerationDelta& delta) {
    const auto now = Clock::now();
    const std::int64_t num_new = delta.completion_tokens - finished_.num_generation_tokens;
    if (num_new > 0 && finished_.num_generation_tokens == 0) {
      metrics_.record_first_token(seconds(now - start_));
    } else if (num_new > 0) {
      const double each = seconds(now - last_token_) / static_cast<double>(num_new);
      metrics_.record_token_interval(each, num_new);
    }
    if (num_new > 0) last_token_ = now;
    finished_.num_generation_tokens = delta.completion_tokens;
    if (delta.finish) finish(delta, now);
  }

 private:
  static double seconds(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
  }

  void finish(const engine::GenerationDelta& delta, Clock::time_point now) {
    if (waited_too_long(delta.error)) return metrics_.record_rejected(RejectReason::kNoCapacity);
    finished_.reason = reason_of(*delta.finish);
    finished_.num_cached_tokens = delta.cached_prompt_tokens;
    finished_.num_recomputed_tokens = delta.recomputed_tokens;
    finished_.is_corrupted = is_corrupted(delta.error);
    finished_.e2e_seconds = seconds(now - start_);
    finished_.queue_seconds = delta.timings.queue_ms / 1000;
    finished_.prefill_seconds = delta.timings.prefill_ms / 1000;
    finished_.decode_seconds = delta.timings.decode_ms / 1000;
    metrics_.record_finished(finished_);
    end_in_group(delta.completion_tokens);
  }

  // The last answer of its request tells of the request.
  void end_in_group(std::int64_t num_tokens) {
    std::int64_t longest = group_->longest_tokens;
    while (longest < num_tokens &&
           !group_->longest_tokens.compare_exchange_weak(longest, num_tokens)) {
    }
    if (++group_->num_ended < group_->num_answers) return;
    metrics_.record_choices(group_->num_answers, group_->longest_tokens);
  }

  Metrics& metrics_;
  std::shared_ptr<engine::AnswerGroup> group_;
  FinishedRequest finished_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_token_;
};

}  // namespace

base::Result<engine::RequestId> MeasuredGenerator::submit(engine::GenerationRequest request,
                                                          engine::DeltaCallback on_delta) {
  auto measurement = std::make_shared<Measurement>(metrics_, request);
  auto id = inner_.submit(std::move(request),
                          [measurement = std::move(measurement),
                           on_delta = std::move(on_delta)](engine::GenerationDelta delta) {
                            measurement->see(delta);
                            on_delta(std::move(delta));
                          });
  if (!id) count_refusal(id.error());
  return id;
}

base::Result<engine::RequestId> MeasuredGenerator::submit_embedding(
    engine::EmbeddingRequest request, engine::EmbeddingCallback on_answer) {
  FinishedRequest finished;
  finished.num_prompt_tokens = std::ssize(request.prompt);
  auto id = inner_.submit_embedding(
      std::move(request),
      [&metrics = metrics_, finished, start = Clock::now(),
       on_answer = std::move(on_answer)](engine::EmbeddingAnswer answer) mutable {
        const bool is_cancelled = answer.error && answer.error->code == base::ErrorCode::kCancelled;
        if (waited_too_long(answer.error)) {
          metrics.record_rejected(RejectReason::kNoCapacity);
          return on_answer(std::move(answer));
        }
        finished.reason = is_cancelled   ? FinishReason::kAbort
                          : answer.error ? FinishReason::kError
                                         : FinishReason::kStop;
        finished.is_corrupted = is_corrupted(answer.error);
        finished.e2e_seconds = std::chrono::duration<double>(Clock::now() - start).count();
        finished.queue_seconds = answer.timings.queue_ms / 1000;
        finished.prefill_seconds = answer.timings.prefill_ms / 1000;
        metrics.record_finished(finished);
        on_answer(std::move(answer));
      });
  if (!id) count_refusal(id.error());
  return id;
}

void MeasuredGenerator::count_refusal(const base::Error& error) {
  switch (error.code) {
    case base::ErrorCode::kResourceExhausted:
      return metrics_.record_rejected(RejectReason::kQueueFull);
    case base::ErrorCode::kOutOfRange:
      return metrics_.record_rejected(RejectReason::kContextTooLong);
    case base::ErrorCode::kUnavailable:
      return metrics_.record_rejected(RejectReason::kDraining);
    default:
      return;  // a bad request, not one that had no room
  }
}

}  // namespace fathom::serve
