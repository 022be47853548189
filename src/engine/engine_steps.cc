// The step thread: schedule, enqueue, and take in what the step before has given.
#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "engine/engine.h"

namespace fathom::engine {
namespace {

using base::ErrorCode;
using base::fail;

double milliseconds(Sequence::Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

Timings timings_of(const Sequence& sequence) {
  const auto now = Sequence::Clock::now();
  const auto admitted = sequence.admitted.value_or(now);
  const auto first_token = sequence.first_token.value_or(now);
  auto paused = sequence.paused_for;
  if (sequence.paused) paused += now - *sequence.paused;
  Timings timings{.queue_ms = milliseconds(admitted - sequence.submitted),
                  .prefill_ms = milliseconds(first_token - admitted),
                  .decode_ms = milliseconds(now - first_token),
                  .paused_ms = milliseconds(paused),
                  .num_pauses = sequence.num_pauses};
  double& phase = sequence.first_token ? timings.decode_ms : timings.prefill_ms;
  phase = std::max(phase - timings.paused_ms, 0.0);
  return timings;
}

// The next guess of the sequence's draft was right.
void count_accepted(Sequence& sequence, StepReport& report) {
  const auto position = static_cast<std::size_t>(sequence.num_accepted++);
  if (report.accepted_at.size() <= position) report.accepted_at.resize(position + 1);
  ++report.accepted_at[position];
  ++report.num_accepted_tokens;
}

void describe(const Sequence& sequence, GenerationDelta& delta) {
  delta.completion_tokens = sequence.num_completion_tokens();
  delta.recomputed_tokens = sequence.num_recomputed;
  delta.timings = timings_of(sequence);
}

}  // namespace

void Engine::run() {
  while (take_inbox()) step();
  end_all(FinishReason::kCancelled, std::nullopt);
  output_->push(events_);
}

// Moves what callers left into the scheduler; sleeps while there is nothing to do. False: stop.
bool Engine::take_inbox() {
  std::vector<RequestId> cancelled;
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] {
      return stopping_ || !submitted_.empty() || !cancelled_.empty() || is_in_flight_ ||
             scheduler_.has_work();
    });
    for (SequencePtr& sequence : submitted_) scheduler_.enqueue(std::move(sequence));
    submitted_.clear();
    cancelled.swap(cancelled_);
    num_queued_ = scheduler_.num_waiting();
    if (stopping_) return false;
  }
  if (!cancelled.empty()) {
    const std::unordered_set<RequestId> ids(cancelled.begin(), cancelled.end());
    remove([&ids](const Sequence& each) { return ids.contains(each.id); }, FinishReason::kCancelled,
           std::nullopt);
  }
  end_waiting_too_long();
  return true;
}

void Engine::end_waiting_too_long() {
  const auto now = Clock::now();
  remove(
      [now](const Sequence& each) {
        return each.request.queue_deadline && !each.admitted &&
               now - each.submitted > *each.request.queue_deadline;
      },
      FinishReason::kError,
      fail(ErrorCode::kUnavailable, "engine", "the request waited too long; try again later"));
}

void Engine::step() {
  const auto start = Clock::now();
  const auto device_before = runner_.device_time();
  const SchedulerCounters before = scheduler_.counters();
  const bool is_synchronous = options_.max_draft_tokens > 0;  // guesses rest on known tokens
  const bool waits_for_step = is_in_flight_;
  const std::int64_t prompt_tokens = std::exchange(prompt_tokens_in_flight_, 0);
  StepReport report;
  if (is_synchronous && !collect(report)) return;
  const ScheduledStep next = scheduler_.schedule();
  CHECK(!next.empty() || is_in_flight_ || is_synchronous || !scheduler_.has_work(),
        "nothing can run, though {} requests do", scheduler_.num_running());
  for (const ScheduledChunk& chunk : next.chunks) {
    report.num_tokens += chunk.num_tokens;
    report.num_drafts += chunk.sequence->draft.empty() ? 0 : 1;
    report.num_draft_tokens += std::ssize(chunk.sequence->draft);
    prompt_tokens_in_flight_ +=
        chunk.num_tokens - (chunk.is_last ? 1 + std::ssize(chunk.sequence->draft) : 0);
  }
  if (!next.empty()) runner_.enqueue_forward(next);
  if (!is_synchronous && !collect(report)) return;
  if (!next.empty()) runner_.enqueue_sampling(end_tokens_);
  is_in_flight_ = !next.empty();
  publish_status();
  output_->push(events_);
  const SchedulerCounters& after = scheduler_.counters();
  report.cache_queries = after.cache_queries - before.cache_queries;
  report.cache_hits = after.cache_hits - before.cache_hits;
  report.num_pauses = after.num_pauses - before.num_pauses;
  const auto elapsed = Clock::now() - start;
  report.host_time = elapsed - (runner_.device_time() - device_before);
  if (waits_for_step) pace_.record(elapsed, prompt_tokens);
  if (options_.on_step) options_.on_step(report);
}

// Takes in the results of the step in flight, if there is one. False: it failed, and with it all
// requests.
bool Engine::collect(StepReport& report) {
  if (!is_in_flight_) return true;
  is_in_flight_ = false;
  if (const auto waited = runner_.wait(); !waited) {
    fail_step(waited.error());
    return false;
  }
  const std::span<const LogitRow> rows = runner_.rows();
  for (std::size_t i = 0; i < rows.size(); ++i) accept(rows[i], runner_.result(i), report);
  for (std::size_t i = 0; i < runner_.pooled().size(); ++i) {
    if (!runner_.pooled()[i]->is_over) {
      accept_embedding(runner_.pooled()[i], runner_.pooled_sum(i));
    }
  }
  // Those that are over, too: the next request may begin as they did.
  for (const SequencePtr& sequence : scheduler_.running()) scheduler_.publish(*sequence);
  scheduler_.remove_if([](const Sequence& each) { return each.is_over; });
  runner_.clear_results();
  return true;
}

void Engine::fail_step(const base::Error& error) {
  base::log_error("a step failed: {}", error.text());
  runner_.clear_results();
  const bool is_lost = runner_.device_is_lost();
  if (is_lost) {
    const std::lock_guard lock(mutex_);
    device_is_lost_ = true;
    // Those that came meanwhile end like the others.
    for (SequencePtr& sequence : submitted_) scheduler_.enqueue(std::move(sequence));
    submitted_.clear();
  }
  end_all(FinishReason::kError, error);
  scheduler_.forget_contents();
  output_->push(events_);
  publish_status();
  if (is_lost && options_.on_device_lost) options_.on_device_lost();
}

void Engine::accept(const LogitRow& row, const LogitResult& result, StepReport& report) {
  Sequence& sequence = *row.sequence;
  if (!row.is_sampled) {
    // A row of a run that a pause cut short may come twice.
    const bool is_next = row.position == std::ssize(sequence.prompt_logprobs) + 1;
    if (is_next && !sequence.first_token) sequence.prompt_logprobs.push_back(result.logprobs);
    return;
  }
  --sequence.num_in_flight;
  const bool follows =
      row.position == sequence.num_known() && (!row.draft || *row.draft == sequence.tokens.back());
  if (follows && !sequence.is_over) {
    if (row.draft) count_accepted(sequence, report);
    accept_token(row.sequence, result);
  }
  if (sequence.num_in_flight == 0 && !sequence.draft.empty()) {
    // What was computed on wrong guesses is computed again.
    sequence.num_computed = sequence.num_known() - 1;
    sequence.draft.clear();
    sequence.num_accepted = 0;
  }
}

// Adds a sampled token to its sequence, and decides whether it is the last.
void Engine::accept_token(const SequencePtr& sequence, const LogitResult& result) {
  Sequence& each = *sequence;
  const auto now = Clock::now();
  if (!each.first_token) each.first_token = now;
  if (each.paused && each.slot >= 0) {
    each.paused_for += now - *each.paused;
    each.paused.reset();
  }
  if (base::index(result.token) < 0) {
    return end(sequence, FinishReason::kError,
               fail(ErrorCode::kInternal, "model",
                    "no token can follow at position {}: every logit is banned or not finite",
                    each.num_known()));
  }
  each.tokens.push_back(result.token);
  OutputEvent& event = event_of(sequence);
  GenerationDelta& delta = event.delta;
  delta.tokens.push_back(result.token);
  if (each.request.top_logprobs) delta.logprobs.push_back(result.logprobs);
  std::ranges::move(each.prompt_logprobs, std::back_inserter(delta.prompt_logprobs));
  each.prompt_logprobs.clear();
  const StopConditions& stop = each.request.stop;
  const auto holds = [&](const std::vector<TokenId>& tokens) {
    return std::ranges::find(tokens, result.token) != tokens.end();
  };
  const bool is_stop_token = holds(stop.token_ids);
  if (each.matcher) each.matcher->accept(result.token);
  const bool is_end = is_stop_token || (each.matcher && each.matcher->is_finished()) ||
                      (!stop.ignore_eos && holds(end_tokens_));
  if (!is_end || (is_stop_token && stop.include_text)) ++event.num_text_tokens;
  if (is_end) {
    delta.finish = FinishReason::kStop;
    if (is_stop_token) delta.stop_token = result.token;
  } else if (each.num_known() >= each.max_total_tokens) {
    delta.finish = FinishReason::kLength;
  }
  each.is_over = delta.finish.has_value();
  describe(each, delta);
}

void Engine::accept_embedding(const SequencePtr& sequence, std::span<const float> sum) {
  const auto count =
      static_cast<float>(sequence->pooling == Pooling::kMean ? sequence->num_prompt_tokens() : 1);
  if (!sequence->first_token) sequence->first_token = Clock::now();
  sequence->is_over = true;
  OutputEvent& event = event_of(sequence);
  for (const float value : sum) event.values.push_back(value / count);
  const bool is_finite =
      std::ranges::all_of(event.values, [](float value) { return std::isfinite(value); });
  if (!is_finite) {
    event.values.clear();
    event.delta.error = fail(ErrorCode::kInternal, "model", "an embedding is not finite");
  }
  event.delta.timings = timings_of(*sequence);
}

// The event of this step for the sequence: rows of one sequence follow each other.
OutputEvent& Engine::event_of(const SequencePtr& sequence) {
  if (events_.empty() || events_.back().answer != sequence->answer) {
    events_.emplace_back();
    events_.back().answer = sequence->answer;
    events_.back().delta.cached_prompt_tokens = sequence->num_cached;
  }
  return events_.back();
}

void Engine::end(const SequencePtr& sequence, FinishReason reason,
                 std::optional<base::Error> error) {
  sequence->is_over = true;
  if (!error && sequence->is_embedding()) {
    error = fail(ErrorCode::kCancelled, "engine", "the request was cancelled");
  }
  GenerationDelta& delta = event_of(sequence).delta;
  delta.finish = reason;
  delta.error = std::move(error);
  describe(*sequence, delta);
}

void Engine::remove(const std::function<bool(const Sequence&)>& is_over, FinishReason reason,
                    const std::optional<base::Error>& error) {
  for (const SequencePtr& sequence : scheduler_.remove_if(is_over)) end(sequence, reason, error);
}

void Engine::end_all(FinishReason reason, const std::optional<base::Error>& error) {
  remove([](const Sequence&) { return true; }, reason, error);
}

void Engine::publish_status() {
  PendingWork work{.num_running = scheduler_.num_running(),
                   .num_waiting = scheduler_.num_waiting(),
                   .prompt_tokens = scheduler_.num_waiting_tokens()};
  for (const SequencePtr& sequence : scheduler_.running()) {
    const std::int64_t rest = sequence->max_total_tokens - sequence->num_tokens();
    work.answer_tokens += sequence->can_grow() ? std::min(rest, options_.reserve_tokens) : rest;
    work.prompt_tokens += std::max<std::int64_t>(sequence->num_pending() - 1, 0);
  }
  const std::lock_guard lock(mutex_);
  status_.num_running = scheduler_.num_running();
  status_.num_used_kv_blocks = scheduler_.blocks().num_held();
  ++status_.num_steps;
  progress_ = Clock::now();
  num_queued_ = scheduler_.num_waiting() + std::ssize(submitted_);
  retry_after_ = pace_.time_for(work);
}

}  // namespace fathom::engine
