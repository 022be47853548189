// Plans the memory, makes the model, and times steps.
#include "bench/shape_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <utility>

#include "base/checked.h"
#include "bench/ceilings.h"
#include "bench/step_loop.h"
#include "engine/memory_plan.h"
#include "model/random_weights.h"
#include "model/weights.h"

namespace fathom::bench {

using base::ErrorCode;
using base::fail;
using base::Result;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::uint64_t kSeed = 2026;
// Rows of one step: a longer prompt takes several.
constexpr std::int64_t kMaxStepTokens = 2048;
// A prompt is computed again until so much time has passed, or so often.
constexpr double kPrefillSeconds = 1.0;
constexpr std::size_t kMaxPrefills = 12;
// Tokens of a decoding sequence behind its prompt: one by the prompt, one by each step.
constexpr std::int64_t kAnswerTokens = 1 + kWarmUpSteps + kMeasuredSteps;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The measured steps have this prompt behind them, and the asked context on average.
std::int64_t decode_prompt_tokens(const ShapeBenchOptions& options) {
  return options.context_tokens - kWarmUpSteps - kMeasuredSteps / 2;
}

std::int64_t max_batch(const ShapeBenchOptions& options) {
  return options.batches.empty() ? 1 : *std::ranges::max_element(options.batches);
}

std::int64_t max_sequence_tokens(const ShapeBenchOptions& options) {
  const std::int64_t decode =
      options.batches.empty() ? 0 : decode_prompt_tokens(options) + kAnswerTokens;
  return std::max(decode, options.prompt_tokens + 1);
}

model::KvCacheShape kv_shape(const ShapeBenchOptions& options) {
  const std::int64_t decode_blocks =
      options.batches.empty()
          ? 0
          : max_batch(options) *
                base::ceil_div(decode_prompt_tokens(options) + kAnswerTokens, engine::kBlockTokens);
  const std::int64_t prefill_blocks =
      base::ceil_div(options.prompt_tokens + 1, engine::kBlockTokens);
  return {.num_blocks = std::max(decode_blocks, prefill_blocks),
          .block_tokens = engine::kBlockTokens,
          .dtype = options.kv_dtype};
}

engine::SchedulerLimits scheduler_limits(const ShapeBenchOptions& options) {
  const std::int64_t longest = std::max(max_sequence_tokens(options), max_batch(options));
  return {.max_step_tokens = std::max(std::min(longest, kMaxStepTokens), max_batch(options)),
          .max_batch_size = max_batch(options),
          .block_tokens = engine::kBlockTokens,
          .reserve_tokens = kAnswerTokens,
          .use_prefix_cache = false};
}

model::WeightOptions weight_options(const ShapeBenchOptions& options) {
  return {.compute_dtype = options.compute_dtype, .matrices_in_fp8 = options.weights_in_fp8};
}

Result<void> check(const ShapeBenchOptions& options) {
  if (options.spec.num_layers < 1) {
    return fail(ErrorCode::kInvalidArgument, "--layers", "{} is below 1", options.spec.num_layers);
  }
  if (options.batches.empty() && options.prompt_tokens < 1) {
    return fail(ErrorCode::kInvalidArgument, "--batch",
                "neither a batch nor a prompt is asked for");
  }
  if (std::ranges::any_of(options.batches, [](std::int64_t batch) { return batch < 1; })) {
    return fail(ErrorCode::kInvalidArgument, "--batch", "a batch has at least one sequence");
  }
  if (options.context_tokens < kMinContextTokens) {
    return fail(ErrorCode::kInvalidArgument, "--context",
                "{} is below {}: the measured steps lie around it", options.context_tokens,
                kMinContextTokens);
  }
  const std::int64_t decode_tokens = decode_prompt_tokens(options) + kAnswerTokens;
  if (!options.batches.empty() && decode_tokens > options.spec.max_context_tokens) {
    return fail(ErrorCode::kOutOfRange, "--context",
                "the steps around {} tokens end at {}, but the model was made for at most {}",
                options.context_tokens, decode_tokens, options.spec.max_context_tokens);
  }
  if (options.prompt_tokens >= options.spec.max_context_tokens) {
    return fail(ErrorCode::kOutOfRange, "--prompt",
                "{} tokens and one behind them are over the {} that the model was made for",
                options.prompt_tokens, options.spec.max_context_tokens);
  }
  return {};
}

// Asked before gigabytes are made; workspaces, which are small, are found out by allocating them.
Result<void> check_memory(const device::Device& device, const ShapeBenchOptions& options) {
  const std::size_t available = device.memory().available_bytes;
  const std::size_t weights = model::random_weights_bytes(options.spec, weight_options(options));
  const model::KvCacheShape kv = kv_shape(options);
  const auto kv_bytes =
      static_cast<std::size_t>(model::kv_block_bytes(options.spec, kv) * kv.num_blocks);
  if (available == 0 || weights + kv_bytes <= available) return {};
  return fail(ErrorCode::kResourceExhausted, device.name(),
              "the weights need {} MiB and the KV cache {} MiB, but {} MiB are available; lower "
              "--batch, --context or --prompt, or cut the depth with --layers",
              weights >> 20, kv_bytes >> 20, available >> 20);
}

class ShapeBench {
 public:
  ShapeBench(device::Device& device, const ShapeBenchOptions& options)
      : device_(device), options_(options) {}

  Result<ShapeReport> run() {
    TRY(check(options_));
    TRY(check_memory(device_, options_));
    report_.device = device_.name();
    phase("measuring the ceilings of " + report_.device);
    report_.ceilings = TRY(measure_ceilings(device_, {.compute_dtype = options_.compute_dtype,
                                                      .weights_in_fp8 = options_.weights_in_fp8,
                                                      .read_bytes = options_.ceiling_read_bytes,
                                                      .max_dot_size = options_.max_dot_size}));
    phase(fmt::format("making {:.2f} billion random weights",
                      static_cast<double>(options_.spec.total_parameters()) * 1e-9));
    weights_ = std::make_shared<const model::Weights>(
        TRY(model::random_weights(options_.spec, device_, weight_options(options_), kSeed)));
    auto runner = TRY(make_runner());
    report_.resident_bytes = device_.memory().allocated_bytes;
    for (const std::int64_t batch : options_.batches) TRY(decode(runner, batch));
    if (options_.prompt_tokens > 0) TRY(prefill(runner));
    return std::move(report_);
  }

 private:
  void phase(const std::string& text) const {
    if (options_.on_phase) options_.on_phase(text);
  }

  Result<engine::Runner> make_runner() {
    const engine::SchedulerLimits limits = scheduler_limits(options_);
    engine::RunnerOptions runner;
    runner.block_tokens = engine::kBlockTokens;
    runner.num_valid_tokens = options_.spec.vocab_rows;
    runner.limits = {.max_step_tokens = limits.max_step_tokens,
                     .max_sequences = limits.max_batch_size,
                     .max_logit_rows = limits.max_batch_size,
                     .max_context_tokens = max_sequence_tokens(options_),
                     .determinism = options_.determinism};
    auto made = TRY(engine::Runner::create(weights_, device_, runner));
    TRY(made.allocate_kv(kv_shape(options_), device_));
    return made;
  }

  std::vector<base::TokenId> random_prompt(std::int64_t num_tokens) {
    std::uniform_int_distribution<std::int32_t> ids(
        0, static_cast<std::int32_t>(options_.spec.vocab_rows - 1));
    std::vector<base::TokenId> prompt(static_cast<std::size_t>(num_tokens));
    for (base::TokenId& token : prompt) token = static_cast<base::TokenId>(ids(random_));
    return prompt;
  }

  // All prompts are computed first, each with the one token that follows from it; then every
  // sequence takes part in every step.
  Result<void> decode(engine::Runner& runner, std::int64_t batch) {
    const std::int64_t prompt_tokens = decode_prompt_tokens(options_);
    phase(fmt::format("decode, batch {}: computing {} prompts of {} tokens", batch, batch,
                      prompt_tokens));
    StepLoop loop(runner, scheduler_limits(options_), kv_shape(options_).num_blocks);
    std::vector<engine::SequencePtr> sequences;
    for (std::int64_t i = 0; i < batch; ++i) {
      sequences.push_back(loop.add(random_prompt(prompt_tokens), 1));
    }
    TRY(loop.drain());
    phase(fmt::format("decode, batch {}: {} steps", batch, kWarmUpSteps + kMeasuredSteps));
    for (const auto& sequence : sequences) {
      sequence->max_total_tokens = prompt_tokens + kAnswerTokens;
    }
    std::vector<double> steps;
    auto start = Clock::now();
    for (std::int64_t i = 0; i < kWarmUpSteps + kMeasuredSteps; ++i) {
      TRY(loop.step());
      const double seconds = seconds_since(start);
      start = Clock::now();
      if (i >= kWarmUpSteps) steps.push_back(seconds);
    }
    TRY(loop.drain());
    const double step_seconds = median(std::move(steps));
    report_.decode.push_back(
        {.batch = batch,
         .context_tokens = options_.context_tokens,
         .step_ms = step_seconds * 1e3,
         .tokens_per_s = static_cast<double>(batch) / step_seconds,
         .limit_tokens_per_s = decode_limit_tokens_per_s(decode_work(batch), report_.ceilings)});
    return {};
  }

  DecodeWork decode_work(std::int64_t batch) const {
    const spec::ModelSpec& spec = options_.spec;
    const std::size_t embedding_bytes =
        spec.tied_embeddings ? 0 : weights_->embedding().num_bytes();
    const model::KvCacheShape kv = kv_shape(options_);
    return {.batch = batch,
            .context_tokens = options_.context_tokens,
            .weight_bytes = static_cast<double>(weights_->total_bytes() - embedding_bytes),
            .kv_bytes_per_token = static_cast<double>(model::kv_block_bytes(spec, kv)) /
                                  static_cast<double>(kv.block_tokens),
            .flop_per_token = layers_flop_per_token(spec) + head_flop_per_token(spec)};
  }

  // The first run warms up, unless it takes so long that it need not.
  Result<void> prefill(engine::Runner& runner) {
    phase(fmt::format("prefill, {} tokens", options_.prompt_tokens));
    std::vector<double> runs;
    double total_seconds = 0;
    while (runs.size() < kMaxPrefills && total_seconds < kPrefillSeconds) {
      StepLoop loop(runner, scheduler_limits(options_), kv_shape(options_).num_blocks);
      loop.add(random_prompt(options_.prompt_tokens), 1);
      const auto start = Clock::now();
      TRY(loop.drain());
      runs.push_back(seconds_since(start));
      total_seconds += runs.back();
    }
    if (runs.size() > 1) runs.erase(runs.begin());
    const double seconds = median(std::move(runs));
    report_.prefill.push_back(
        {.num_tokens = options_.prompt_tokens,
         .seconds = seconds,
         .tokens_per_s = static_cast<double>(options_.prompt_tokens) / seconds,
         .limit_tokens_per_s =
             prefill_limit_tokens_per_s(options_.spec, options_.prompt_tokens, report_.ceilings)});
    return {};
  }

  device::Device& device_;
  const ShapeBenchOptions& options_;
  ShapeReport report_;
  std::shared_ptr<const model::Weights> weights_;
  std::mt19937_64 random_{kSeed};
};

}  // namespace

Result<ShapeReport> bench_shape(device::Device& device, const ShapeBenchOptions& options) {
  return ShapeBench(device, options).run();
}

}  // namespace fathom::bench
