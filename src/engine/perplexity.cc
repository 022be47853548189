// Teacher-forced scoring in chunks over a cache that holds one sequence.
#include "engine/perplexity.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "engine/memory_plan.h"
#include "kernels/token_logprobs/token_logprobs.h"

namespace fathom::engine {
namespace {

// As in the reference figures: a shorter rest says little.
constexpr std::int64_t kMinWindowTokens = 8;

}  // namespace

Scorer::Scorer(model::Decoder decoder, model::KvCache kv_cache, StepBuffers buffers)
    : decoder_(std::move(decoder)), kv_cache_(std::move(kv_cache)), buffers_(std::move(buffers)) {}

base::Result<Scorer> Scorer::create(std::shared_ptr<const model::Weights> weights,
                                    device::Device& device, const ScorerOptions& options) {
  const model::DecoderLimits limits{.max_step_tokens = options.chunk_tokens,
                                    .max_sequences = 1,
                                    .max_logit_rows = options.chunk_tokens,
                                    .max_context_tokens = options.max_context_tokens,
                                    .determinism = options.determinism};
  const model::KvCacheShape kv{
      .num_blocks = base::ceil_div(options.max_context_tokens, kBlockTokens),
      .block_tokens = kBlockTokens,
      .dtype = options.kv_dtype};
  auto kv_cache = TRY(model::KvCache::allocate(weights->spec(), kv, device));
  auto buffers = TRY(StepBuffers::create(device, limits, kBlockTokens));
  auto decoder = TRY(model::Decoder::create(std::move(weights), device, limits));
  Scorer scorer(std::move(decoder), std::move(kv_cache), std::move(buffers));
  scorer.options_ = options;
  scorer.stream_ = TRY(device.create_stream());
  const auto chunk = static_cast<std::size_t>(options.chunk_tokens);
  scorer.targets_ = TRY(device.allocate(chunk * sizeof(std::int32_t)));
  scorer.results_ = TRY(device.allocate(chunk * sizeof(float)));
  for (std::int64_t i = 0; i < kv.num_blocks; ++i) {
    scorer.blocks_.push_back(static_cast<BlockId>(i));
  }
  return scorer;
}

base::Result<void> Scorer::check_length(std::span<const base::TokenId> tokens) const {
  if (std::ssize(tokens) <= options_.max_context_tokens) return {};
  return base::fail(base::ErrorCode::kOutOfRange, "text", "{} tokens are over the context of {}",
                    tokens.size(), options_.max_context_tokens);
}

base::Result<std::vector<float>> Scorer::logprobs(std::span<const base::TokenId> tokens) {
  TRY(check_length(tokens));
  std::vector<float> scores(tokens.size() - 1);
  for (std::size_t first = 0; first < scores.size();) {
    const std::size_t count =
        std::min(scores.size() - first, static_cast<std::size_t>(options_.chunk_tokens));
    const SequenceChunk chunk{.tokens = tokens.subspan(first, count),
                              .first_position = static_cast<std::int64_t>(first),
                              .blocks = blocks_,
                              .num_logit_rows = static_cast<std::int64_t>(count)};
    const auto step = buffers_.fill(std::span(&chunk, 1), 0, *stream_).inputs;
    decoder_.forward(step, kv_cache_, *stream_);
    stream_->copy_to_device(targets_.data(), tokens.data() + first + 1,
                            count * sizeof(base::TokenId));
    const tensor::Shape shape{static_cast<std::int64_t>(count)};
    kernels::token_logprobs({.logits = decoder_.logits(static_cast<std::int64_t>(count)),
                             .num_valid_tokens = options_.num_valid_tokens,
                             .targets = {targets_.data(), tensor::DType::kI32, shape},
                             .y = {results_.data(), tensor::DType::kF32, shape}},
                            *stream_);
    stream_->copy_to_host(scores.data() + first, results_.data(), count * sizeof(float));
    TRY(stream_->synchronize());
    first += count;
  }
  return scores;
}

base::Result<std::vector<float>> Scorer::last_logits(std::span<const base::TokenId> tokens) {
  TRY(check_length(tokens));
  std::vector<float> logits(static_cast<std::size_t>(decoder_.spec().vocab_rows));
  for (std::size_t first = 0; first < tokens.size();) {
    const std::size_t count =
        std::min(tokens.size() - first, static_cast<std::size_t>(options_.chunk_tokens));
    const SequenceChunk chunk{.tokens = tokens.subspan(first, count),
                              .first_position = static_cast<std::int64_t>(first),
                              .blocks = blocks_,
                              .num_logit_rows = 1};
    const auto step = buffers_.fill(std::span(&chunk, 1), 0, *stream_).inputs;
    decoder_.forward(step, kv_cache_, *stream_);
    const tensor::View last = decoder_.logits(1);
    stream_->copy_to_host(logits.data(), last.data, last.num_bytes());
    TRY(stream_->synchronize());
    first += count;
  }
  return logits;
}

base::Result<Perplexity> measure_perplexity(Scorer& scorer, std::span<const base::TokenId> tokens,
                                            const PerplexityOptions& options) {
  const auto step = static_cast<std::size_t>(options.window_tokens - 1);
  const std::int64_t all_windows = base::ceil_div(std::ssize(tokens), options.window_tokens - 1);
  const std::int64_t num_windows =
      options.max_windows > 0 ? std::min(all_windows, options.max_windows) : all_windows;
  double sum = 0;
  Perplexity result;
  for (std::int64_t i = 0; i < num_windows; ++i) {
    const std::size_t first = static_cast<std::size_t>(i) * step;
    const auto rest = tokens.subspan(first, std::min(step, tokens.size() - first));
    std::vector<base::TokenId> window{options.bos};
    window.insert(window.end(), rest.begin(), rest.end());
    if (std::ssize(window) < kMinWindowTokens) break;
    for (const float logprob : TRY(scorer.logprobs(window))) sum += logprob;
    result.tokens += std::ssize(window) - 1;
    if (options.on_progress) options.on_progress(i + 1, num_windows);
  }
  if (result.tokens == 0) {
    return base::fail(base::ErrorCode::kInvalidArgument, "text",
                      "{} tokens are too few to score; give at least {}", tokens.size(),
                      kMinWindowTokens);
  }
  result.value = std::exp(-sum / static_cast<double>(result.tokens));
  return result;
}

}  // namespace fathom::engine
