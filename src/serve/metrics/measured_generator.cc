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

// One request's numbers while it runs; the output thread's alone.
class Measurement {
 public:
  Measurement(Metrics& metrics, std::int64_t num_prompt_tokens,
              std::optional<std::int64_t> max_tokens)
      : metrics_(metrics) {
    finished_.num_prompt_tokens = num_prompt_tokens;
    finished_.max_tokens = max_tokens;
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
    if (delta.error && delta.error->code == base::ErrorCode::kUnavailable) {
      return metrics_.record_rejected(RejectReason::kNoCapacity);  // waited too long
    }
    finished_.reason = reason_of(*delta.finish);
    finished_.num_cached_tokens = delta.cached_prompt_tokens;
    finished_.max_num_generation_tokens = delta.completion_tokens;
    finished_.e2e_seconds = seconds(now - start_);
    finished_.queue_seconds = delta.timings.queue_ms / 1000;
    finished_.prefill_seconds = delta.timings.prefill_ms / 1000;
    finished_.decode_seconds = delta.timings.decode_ms / 1000;
    metrics_.record_finished(finished_);
  }

  Metrics& metrics_;
  FinishedRequest finished_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_token_;
};

}  // namespace

base::Result<engine::RequestId> MeasuredGenerator::submit(engine::GenerationRequest request,
                                                          engine::DeltaCallback on_delta) {
  auto measurement =
      std::make_shared<Measurement>(metrics_, std::ssize(request.prompt), request.stop.max_tokens);
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
        finished.reason = answer.error ? FinishReason::kError : FinishReason::kStop;
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
