// Detokenizes, looks for stop strings, calls back.
#include "engine/output_thread.h"

#include <utility>

namespace fathom::engine {

OutputThread::OutputThread(std::function<void(RequestId)> on_stopped)
    : on_stopped_(std::move(on_stopped)), thread_(&OutputThread::run, this) {}

OutputThread::~OutputThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void OutputThread::push(std::vector<OutputEvent>& events) {
  if (events.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (OutputEvent& event : events) events_.push_back(std::move(event));
  }
  events.clear();
  wake_.notify_one();
}

void OutputThread::run() {
  std::vector<OutputEvent> events;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !events_.empty(); });
      if (events_.empty()) return;
      events.swap(events_);
    }
    for (OutputEvent& event : events) deliver(std::move(event));
    events.clear();
  }
}

void OutputThread::deliver(OutputEvent event) {
  const std::shared_ptr<Answer> answer = event.answer;
  if (answer->is_over_) return;
  if (auto* const on_answer = std::get_if<EmbeddingCallback>(&answer->sink_)) {
    answer->is_over_ = true;
    return (*on_answer)({.values = std::move(event.values),
                         .error = std::move(event.delta.error),
                         .timings = event.delta.timings});
  }
  deliver_delta(*answer, std::move(event));
}

void OutputThread::deliver_delta(Answer& answer, OutputEvent event) {
  auto& [text, on_delta] = std::get<Answer::Generation>(answer.sink_);
  GenerationDelta& delta = event.delta;
  const std::int64_t num_before = delta.completion_tokens - std::ssize(delta.tokens);
  for (std::int64_t i = 0; i < event.num_text_tokens && !text.stopped(); ++i) {
    const auto index = static_cast<std::size_t>(i);
    delta.text += text.push(delta.tokens[index]);
    if (!text.stopped()) continue;
    // Tokens of the same step behind the stop string are not part of the answer.
    delta.tokens.resize(index + 1);
    if (delta.logprobs.size() > delta.tokens.size()) delta.logprobs.resize(index + 1);
    delta.completion_tokens = num_before + std::ssize(delta.tokens);
  }
  if (delta.finish) delta.text += text.finish();
  const bool ends_early = text.stopped() && !delta.finish;
  if (text.stopped() && (!delta.finish || *delta.finish != FinishReason::kError)) {
    // What was held back may turn out to hold a stop string at the very end.
    delta.finish = FinishReason::kStop;
    delta.stop_token.reset();
    delta.stop_text = text.stop_text();
  }
  answer.is_over_ = delta.finish.has_value();
  if (ends_early) on_stopped_(answer.id_);
  on_delta(std::move(delta));
}

}  // namespace fathom::engine
