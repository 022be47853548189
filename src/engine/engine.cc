// The step loop, and the way in and out of it.
#include "engine/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/log.h"

namespace fathom::engine {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::int64_t kBlockTokens = 16;
constexpr std::int64_t kDefaultKvMemoryBytes = std::int64_t{4} << 30;

double milliseconds(Sequence::Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

Timings timings_of(const Sequence& sequence) {
  const auto now = Sequence::Clock::now();
  const auto unset = Sequence::Clock::time_point{};
  const auto admitted = sequence.admitted == unset ? now : sequence.admitted;
  const auto first_token = sequence.first_token == unset ? now : sequence.first_token;
  return {.queue_ms = milliseconds(admitted - sequence.submitted),
          .prefill_ms = milliseconds(first_token - admitted),
          .decode_ms = milliseconds(now - first_token)};
}

struct KvPlan {
  model::KvCacheShape shape;
  std::int64_t max_context_tokens = 0;
};

Result<KvPlan> plan_kv(const spec::ModelSpec& spec, const EngineOptions& options) {
  KvPlan plan;
  plan.shape.block_tokens = kBlockTokens;
  plan.shape.dtype = options.kv_dtype;
  const std::int64_t block_bytes = model::kv_block_bytes(spec, plan.shape);
  const std::int64_t wanted_context =
      options.max_context_tokens > 0 ? options.max_context_tokens : spec.max_context_tokens;
  if (wanted_context > spec.max_context_tokens) {
    return fail(ErrorCode::kInvalidArgument, "--max-context",
                "{} tokens asked for, but the model was made for at most {}", wanted_context,
                spec.max_context_tokens);
  }
  const std::int64_t blocks_per_sequence = base::ceil_div(wanted_context, kBlockTokens);
  const std::int64_t full_blocks = blocks_per_sequence * options.max_batch_size;
  const std::int64_t memory_bytes =
      options.kv_memory_bytes > 0 ? options.kv_memory_bytes : kDefaultKvMemoryBytes;
  plan.shape.num_blocks = std::min(full_blocks, memory_bytes / block_bytes);
  if (plan.shape.num_blocks < blocks_per_sequence && options.max_context_tokens > 0) {
    return fail(ErrorCode::kInvalidArgument, "--max-context",
                "one sequence of {} tokens needs {} MiB of KV cache, but it has {} MiB; raise "
                "--kv-memory or lower --max-context",
                wanted_context, (blocks_per_sequence * block_bytes) >> 20, memory_bytes >> 20);
  }
  if (plan.shape.num_blocks < 1) {
    return fail(ErrorCode::kInvalidArgument, "--kv-memory",
                "{} bytes do not hold one block of {} bytes; raise it", memory_bytes, block_bytes);
  }
  plan.max_context_tokens = std::min(wanted_context, plan.shape.num_blocks * kBlockTokens);
  return plan;
}

}  // namespace

Engine::Engine(Runner runner, Scheduler scheduler)
    : runner_(std::move(runner)), scheduler_(std::move(scheduler)) {}

Result<std::unique_ptr<Engine>> Engine::create(
    const std::shared_ptr<const model::Weights>& weights,
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer, device::Device& device,
    const EngineOptions& options) {
  const spec::ModelSpec& spec = weights->spec();
  const KvPlan kv = TRY(plan_kv(spec, options));
  RunnerOptions runner_options;
  runner_options.kv = kv.shape;
  runner_options.num_valid_tokens = std::min(tokenizer->vocab_size(), spec.vocab_rows);
  runner_options.limits = {
      .max_step_tokens = std::max(options.max_step_tokens, options.max_batch_size),
      .max_sequences = options.max_batch_size,
      .max_logit_rows = options.max_batch_size,
      .max_context_tokens = kv.max_context_tokens};
  auto runner = TRY(Runner::create(weights, device, runner_options));
  Scheduler scheduler({.max_step_tokens = runner_options.limits.max_step_tokens,
                       .max_batch_size = options.max_batch_size,
                       .block_tokens = kBlockTokens},
                      kv.shape.num_blocks);
  std::unique_ptr<Engine> engine(new Engine(std::move(runner), std::move(scheduler)));
  engine->tokenizer_ = std::move(tokenizer);
  engine->eos_token_ids_ = spec.eos_token_ids;
  engine->ledger_ = {.weights_bytes = weights->total_bytes(),
                     .kv_bytes = engine->runner_.kv_bytes(),
                     .workspace_bytes = engine->runner_.workspace_bytes(),
                     .kv_tokens = kv.shape.num_blocks * kBlockTokens};
  engine->max_context_tokens_ = kv.max_context_tokens;
  engine->max_queue_ = options.max_queue;
  engine->num_valid_tokens_ = runner_options.num_valid_tokens;
  engine->thread_ = std::thread(&Engine::run, engine.get());
  return engine;
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Result<void> Engine::check(const GenerationRequest& request) const {
  if (request.prompt.empty()) {
    return fail(ErrorCode::kInvalidArgument, "prompt", "it has no tokens");
  }
  for (const TokenId token : request.prompt) {
    if (base::index(token) < 0 || base::index(token) >= num_valid_tokens_) {
      return fail(ErrorCode::kInvalidArgument, "prompt",
                  "token {} is not in the vocabulary of {} tokens", base::index(token),
                  num_valid_tokens_);
    }
  }
  const std::int64_t prompt_tokens = std::ssize(request.prompt);
  if (request.max_tokens < 1) {
    return fail(ErrorCode::kInvalidArgument, "max_tokens", "{} is below 1", request.max_tokens);
  }
  if (prompt_tokens > max_context_tokens_ ||
      request.max_tokens > max_context_tokens_ - prompt_tokens) {
    return fail(ErrorCode::kOutOfRange, "max_tokens",
                "the prompt has {} tokens and the answer may have {}, but the context holds {}; "
                "shorten the prompt or lower max_tokens",
                prompt_tokens, request.max_tokens, max_context_tokens_);
  }
  return {};
}

Result<RequestId> Engine::submit(GenerationRequest request, DeltaCallback on_delta) {
  TRY(check(request));
  TextOutput text(tokenizer_, request.stop);
  RequestId id{};
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorCode::kUnavailable, "engine", "the server is shutting down");
    if (num_queued_ >= max_queue_) {
      return fail(ErrorCode::kResourceExhausted, "engine",
                  "{} requests are waiting already; try again later", num_queued_);
    }
    id = RequestId{++last_id_};
    auto sequence =
        std::make_unique<Sequence>(id, std::move(request), std::move(on_delta), std::move(text));
    sequence->seed = sequence->request.sampling.seed.value_or(static_cast<std::int64_t>(seeds_()));
    submitted_.push_back(std::move(sequence));
    ++num_queued_;
  }
  wake_.notify_one();
  return id;
}

void Engine::cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(id);
  }
  wake_.notify_one();
}

void Engine::run() {
  while (take_inbox()) step();
  end_all(FinishReason::kCancelled, std::nullopt);
}

// Moves what callers left into the scheduler; sleeps while there is nothing to do. False: stop.
bool Engine::take_inbox() {
  std::vector<RequestId> cancelled;
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] {
      return stopping_ || !submitted_.empty() || !cancelled_.empty() || scheduler_.has_work();
    });
    for (auto& sequence : submitted_) scheduler_.enqueue(std::move(sequence));
    submitted_.clear();
    cancelled.swap(cancelled_);
    num_queued_ = scheduler_.num_waiting();
    if (stopping_) return false;
  }
  if (!cancelled.empty()) {
    const std::unordered_set<RequestId> ids(cancelled.begin(), cancelled.end());
    for (auto& sequence :
         scheduler_.remove_if([&ids](const Sequence& each) { return ids.contains(each.id); })) {
      end(*sequence, FinishReason::kCancelled);
    }
  }
  return true;
}

void Engine::step() {
  const std::vector<ScheduledChunk> chunks = scheduler_.schedule();
  if (chunks.empty()) return;
  const auto sampled = runner_.run(chunks);
  if (!sampled) {
    base::log_error("a step failed: {}", sampled.error().text());
    end_all(FinishReason::kError, sampled.error());
    return;
  }
  ended_.clear();
  for (const SampledToken& each : *sampled) accept(each);
  if (!ended_.empty()) {
    scheduler_.remove_if([this](const Sequence& each) { return ended_.contains(&each); });
  }
}

// Adds a sampled token to its sequence and tells the caller.
void Engine::accept(const SampledToken& sampled) {
  Sequence& sequence = *sampled.sequence;
  if (sequence.num_completion_tokens() == 0) sequence.first_token = Sequence::Clock::now();
  if (base::index(sampled.token) < 0) {
    ended_.insert(&sequence);
    return end(sequence, FinishReason::kError,
               fail(ErrorCode::kInternal, "model", "no logit is finite at position {}",
                    sequence.num_tokens()));
  }
  sequence.tokens.push_back(sampled.token);
  const bool is_eos =
      !sequence.request.ignore_eos &&
      std::ranges::find(eos_token_ids_, base::index(sampled.token)) != eos_token_ids_.end();
  GenerationDelta delta;
  delta.tokens.push_back(sampled.token);
  delta.completion_tokens = sequence.num_completion_tokens();
  if (!is_eos) delta.text = sequence.text.push(sampled.token);
  if (is_eos || sequence.text.stopped()) {
    delta.finish = FinishReason::kStop;
  } else if (sequence.num_completion_tokens() >= sequence.request.max_tokens) {
    delta.finish = FinishReason::kLength;
  }
  if (delta.finish) {
    delta.text += sequence.text.finish();
    // What was held back may turn out to hold a stop string.
    if (sequence.text.stopped()) delta.finish = FinishReason::kStop;
    delta.timings = timings_of(sequence);
    ended_.insert(&sequence);
  }
  sequence.on_delta(std::move(delta));
}

void Engine::end(Sequence& sequence, FinishReason reason, std::optional<base::Error> error) {
  GenerationDelta delta;
  delta.text = sequence.text.finish();
  delta.finish = reason;
  delta.error = std::move(error);
  delta.completion_tokens = sequence.num_completion_tokens();
  delta.timings = timings_of(sequence);
  sequence.on_delta(std::move(delta));
}

void Engine::end_all(FinishReason reason, const std::optional<base::Error>& error) {
  for (auto& sequence : scheduler_.remove_if([](const Sequence&) { return true; })) {
    end(*sequence, reason, error);
  }
}

}  // namespace fathom::engine
