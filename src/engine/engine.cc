// What callers use: making an engine, submitting, asking how it is.
#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "footprint/ledger.h"
#include "kernels/device_shape.h"
#include "kernels/top_logprobs/top_logprobs.h"

namespace fathom::engine {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

Result<void> check_sampling(const SamplingParameters& sampling) {
  const auto bad = [](std::string_view field, float value, std::string_view range) {
    return fail(ErrorCode::kInvalidArgument, field, "{} is not {}", value, range);
  };
  if (!(sampling.temperature >= 0) || !std::isfinite(sampling.temperature)) {
    return bad("temperature", sampling.temperature, "0 or more");
  }
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) {
    return bad("top_p", sampling.top_p, "above 0 and at most 1");
  }
  if (!(sampling.min_p >= 0 && sampling.min_p <= 1)) {
    return bad("min_p", sampling.min_p, "from 0 to 1");
  }
  if (!(sampling.repetition_penalty > 0) || !std::isfinite(sampling.repetition_penalty)) {
    return bad("repetition_penalty", sampling.repetition_penalty, "above 0");
  }
  for (const float penalty : {sampling.presence_penalty, sampling.frequency_penalty}) {
    if (!std::isfinite(penalty)) return bad("presence_penalty", penalty, "a number");
  }
  for (const TokenBias& bias : sampling.logit_bias) {
    const bool is_ban = std::isinf(bias.bias) && bias.bias < 0;
    if (!std::isfinite(bias.bias) && !is_ban) return bad("logit_bias", bias.bias, "a number");
  }
  return {};
}

Result<void> check_logprobs(std::optional<std::int32_t> count, std::string_view field) {
  if (!count || (*count >= 0 && *count <= kernels::kMaxTopLogprobs)) return {};
  return fail(ErrorCode::kInvalidArgument, field, "{} is not from 0 to {}", *count,
              kernels::kMaxTopLogprobs);
}

Result<void> check_stop(const StopConditions& stop) {
  if (stop.max_tokens && *stop.max_tokens < 1) {
    return fail(ErrorCode::kInvalidArgument, "max_tokens", "{} is below 1", *stop.max_tokens);
  }
  if (std::ranges::any_of(stop.texts, [](const auto& text) { return text.empty(); })) {
    return fail(ErrorCode::kInvalidArgument, "stop", "a stop string is empty");
  }
  if (std::ranges::any_of(stop.bad_words, [](const auto& words) { return words.empty(); })) {
    return fail(ErrorCode::kInvalidArgument, "bad_words", "an entry is empty");
  }
  return {};
}

Result<std::shared_ptr<const grammar::Vocabulary>> grammar_vocabulary(
    const tokenizer::Tokenizer& tokenizer, std::int64_t num_tokens,
    const std::vector<TokenId>& end_tokens) {
  std::vector<std::string> bytes(static_cast<std::size_t>(num_tokens));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    if (!tokenizer.is_special(token)) bytes[i] = tokenizer.bytes_of(token);
  }
  return grammar::Vocabulary::create(std::move(bytes), end_tokens);
}

footprint::EngineSizes sizes_of(const EngineOptions& options, const device::Device& device) {
  return footprint::with_defaults({.max_context_tokens = options.max_context_tokens,
                                   .max_batch_size = options.max_batch_size,
                                   .max_step_tokens = options.max_step_tokens,
                                   .max_draft_tokens = options.max_draft_tokens,
                                   .kv_memory_bytes = options.kv_memory_bytes,
                                   .kv_dtype = options.kv_dtype},
                                  kernels::device_shape(device));
}

// For what is left of the device's memory now.
Result<footprint::KvPlan> plan_kv(const spec::ModelSpec& spec, const footprint::EngineSizes& sizes,
                                  const device::Device& device) {
  const auto available = static_cast<std::int64_t>(device.memory().available_bytes);
  return footprint::plan_kv(spec,
                            footprint::kv_demand(sizes, kernels::device_shape(device), available));
}

// What is taken beside the device's arrays: on a GPU by its context, code and recordings, and
// whoever else uses it; on the host by the process itself.
std::size_t runtime_bytes(const device::Device& device) {
  const device::MemoryStatus memory = device.memory();
  const std::size_t taken = device.reads_host_memory() ? private_memory_bytes() : memory.used_bytes;
  return taken - std::min(taken, memory.allocated_bytes);
}

}  // namespace

Engine::Engine(Runner runner, Scheduler scheduler, const EngineOptions& options)
    : runner_(std::move(runner)),
      scheduler_(std::move(scheduler)),
      grammar_vocabulary_(fail(ErrorCode::kInternal, "engine", "no vocabulary yet")),
      options_(options) {}

Result<std::unique_ptr<Engine>> Engine::create(
    const std::shared_ptr<const model::Weights>& weights,
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer, device::Device& device,
    const EngineOptions& asked) {
  const spec::ModelSpec& spec = weights->spec();
  const footprint::EngineSizes sizes = sizes_of(asked, device);
  const footprint::StepLimits step = footprint::step_limits(sizes);
  EngineOptions options = asked;
  options.max_batch_size = sizes.max_batch_size;
  options.max_step_tokens = sizes.max_step_tokens;
  const SchedulerLimits limits{.max_step_tokens = step.max_step_tokens,
                               .max_batch_size = options.max_batch_size,
                               .block_tokens = kBlockTokens,
                               .reserve_tokens = std::max<std::int64_t>(options.reserve_tokens, 1),
                               .max_prompt_logit_rows = footprint::kMaxPromptLogitRows,
                               .max_draft_tokens = options.max_draft_tokens,
                               .use_prefix_cache = options.use_prefix_cache};
  // The cache gets what the rest leaves; until the rest is there, that is at most what is free.
  const footprint::KvPlan most = TRY(plan_kv(spec, sizes, device));
  RunnerOptions runner_options;
  runner_options.block_tokens = kBlockTokens;
  runner_options.num_valid_tokens = std::min(tokenizer->vocab_size(), spec.vocab_rows);
  runner_options.limits = {.max_step_tokens = step.max_step_tokens,
                           .max_sequences = step.max_sequences,
                           .max_logit_rows = step.max_logit_rows,
                           .max_context_tokens = most.max_context_tokens,
                           .determinism = options.determinism};
  auto runner = TRY(Runner::create(weights, device, runner_options));
  const footprint::KvPlan kv = TRY(plan_kv(spec, sizes, device));
  TRY(runner.allocate_kv(kv.shape, device));
  std::unique_ptr<Engine> engine(new Engine(
      std::move(runner), Scheduler(limits, kv.shape.num_blocks, options.blocks), options));
  engine->tokenizer_ = std::move(tokenizer);
  for (const std::int64_t id : spec.eos_token_ids) {
    engine->end_tokens_.push_back(static_cast<TokenId>(id));
  }
  engine->grammar_vocabulary_ =
      grammar_vocabulary(*engine->tokenizer_, runner_options.num_valid_tokens, engine->end_tokens_);
  engine->ledger_ = {.weights_bytes = weights->total_bytes(),
                     .kv_bytes = engine->runner_.kv_bytes(),
                     .workspace_bytes = engine->runner_.workspace_bytes(),
                     .logits_bytes = engine->runner_.logits_bytes(),
                     .kv_tokens = kv.shape.num_blocks * kBlockTokens};
  engine->max_context_tokens_ = std::min(kv.max_context_tokens, most.max_context_tokens);
  engine->num_valid_tokens_ = runner_options.num_valid_tokens;
  engine->embedding_size_ = spec.hidden_size;
  engine->status_.num_kv_blocks = kv.shape.num_blocks;
  engine->output_ =
      std::make_unique<OutputThread>([raw = engine.get()](RequestId id) { raw->cancel(id); });
  engine->thread_ = std::thread(&Engine::run, engine.get());
  engine->ledger_.runtime_bytes = runtime_bytes(device);
  return engine;
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  output_.reset();
}

Result<void> Engine::check_prompt(const std::vector<TokenId>& prompt) const {
  if (prompt.empty()) return fail(ErrorCode::kInvalidArgument, "prompt", "it has no tokens");
  for (const TokenId token : prompt) {
    if (base::index(token) < 0 || base::index(token) >= num_valid_tokens_) {
      return fail(ErrorCode::kInvalidArgument, "prompt",
                  "token {} is not in the vocabulary of {} tokens", base::index(token),
                  num_valid_tokens_);
    }
  }
  if (std::ssize(prompt) > max_context_tokens_) {
    return fail(ErrorCode::kOutOfRange, "prompt",
                "it has {} tokens, but the context holds {}; shorten it", prompt.size(),
                max_context_tokens_);
  }
  return {};
}

Result<void> Engine::check(const GenerationRequest& request) const {
  TRY(check_prompt(request.prompt));
  TRY(check_sampling(request.sampling));
  TRY(check_stop(request.stop));
  TRY(check_logprobs(request.top_logprobs, "top_logprobs"));
  TRY(check_logprobs(request.prompt_logprobs, "prompt_logprobs"));
  if (request.grammar) TRY(grammar_vocabulary_);
  const std::size_t num_biases = request.sampling.logit_bias.size() +
                                 request.stop.token_ids.size() + request.stop.bad_words.size() +
                                 end_tokens_.size();
  if (num_biases > static_cast<std::size_t>(Sampler::kMaxBiasesPerRow)) {
    return fail(ErrorCode::kInvalidArgument, "logit_bias",
                "with stop tokens and bad words it has {} entries, over the {} that one request "
                "may have",
                num_biases, Sampler::kMaxBiasesPerRow);
  }
  const std::int64_t room = max_context_tokens_ - std::ssize(request.prompt);
  if (request.stop.max_tokens.value_or(1) > room) {
    return fail(ErrorCode::kOutOfRange, "max_tokens",
                "the prompt has {} tokens and the answer may have {}, but the context holds {}; "
                "shorten the prompt or lower max_tokens",
                request.prompt.size(), request.stop.max_tokens.value_or(1), max_context_tokens_);
  }
  return {};
}

Result<RequestId> Engine::submit(GenerationRequest request, DeltaCallback on_delta) {
  TRY(check(request));
  auto sequence = std::make_shared<Sequence>();
  TextOutput text(tokenizer_, {.stop = request.stop.texts,
                               .include_stop = request.stop.include_text,
                               .skip_special = request.skip_special_tokens});
  sequence->tokens = request.prompt;
  sequence->max_total_tokens = request.stop.max_tokens
                                   ? std::ssize(request.prompt) + *request.stop.max_tokens
                                   : max_context_tokens_;
  if (request.grammar) sequence->matcher.emplace(request.grammar, *grammar_vocabulary_);
  sequence->request = std::move(request);
  scheduler_.prepare(*sequence);
  return enqueue(std::move(sequence), [&](RequestId id) {
    return std::make_shared<Answer>(id, std::move(text), std::move(on_delta));
  });
}

Result<RequestId> Engine::submit_embedding(EmbeddingRequest request, EmbeddingCallback on_answer) {
  TRY(check_prompt(request.prompt));
  auto sequence = std::make_shared<Sequence>();
  sequence->pooling = request.pooling;
  sequence->tokens = request.prompt;
  sequence->max_total_tokens = std::ssize(request.prompt);
  sequence->request.prompt = std::move(request.prompt);
  sequence->request.priority = request.priority;
  sequence->request.queue_deadline = request.queue_deadline;
  return enqueue(std::move(sequence),
                 [&](RequestId id) { return std::make_shared<Answer>(id, std::move(on_answer)); });
}

Result<RequestId> Engine::enqueue(SequencePtr sequence,
                                  const std::function<std::shared_ptr<Answer>(RequestId)>& answer) {
  RequestId id{};
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorCode::kUnavailable, "engine", "the server is shutting down");
    if (device_is_lost_) {
      return fail(ErrorCode::kUnavailable, "engine",
                  "the device has failed and the server starts again; try again later");
    }
    if (num_queued_ >= options_.max_queue) {
      return fail(ErrorCode::kResourceExhausted, "engine",
                  "{} requests are waiting already; try again later", num_queued_);
    }
    if (num_queued_ + status_.num_running == 0) progress_ = Clock::now();
    id = RequestId{++last_id_};
    sequence->id = id;
    sequence->answer = answer(id);
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

EngineStatus Engine::status() const {
  const std::lock_guard lock(mutex_);
  EngineStatus status = status_;
  status.num_waiting = num_queued_;
  if (status.num_running + status.num_waiting > 0) {
    status.since_progress =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - progress_);
  }
  return status;
}

std::chrono::seconds Engine::retry_after() const {
  const std::lock_guard lock(mutex_);
  return retry_after_;
}

}  // namespace fathom::engine
