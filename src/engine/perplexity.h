// Perplexity of a text under a model, in non-overlapping windows that each start with BOS.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "device/device.h"
#include "engine/step_buffers.h"
#include "model/decoder.h"
#include "model/kv_cache.h"

namespace fathom::engine {

struct ScorerOptions {
  std::int64_t max_context_tokens = 0;
  std::int64_t num_valid_tokens = 0;
  std::int64_t chunk_tokens = 128;  // rows of one step, each with its logits
  tensor::DType kv_dtype = tensor::DType::kBF16;
  model::Determinism determinism = model::Determinism::kSchedule;
};

// Scores given tokens: what the model would have said about each of them.
class Scorer {
 public:
  static base::Result<Scorer> create(std::shared_ptr<const model::Weights> weights,
                                     device::Device& device, const ScorerOptions& options);

  // Log-probability of tokens[i + 1] after tokens[0..i]: one fewer than tokens.
  base::Result<std::vector<float>> logprobs(std::span<const base::TokenId> tokens);

  // Raw logits after the last token: [vocab_rows].
  base::Result<std::vector<float>> last_logits(std::span<const base::TokenId> tokens);

 private:
  Scorer(model::Decoder decoder, model::KvCache kv_cache, StepBuffers buffers);
  base::Result<void> check_length(std::span<const base::TokenId> tokens) const;

  model::Decoder decoder_;
  model::KvCache kv_cache_;
  StepBuffers buffers_;
  std::unique_ptr<device::Stream> stream_;
  std::vector<BlockId> blocks_;
  device::Buffer targets_;
  device::Buffer results_;
  ScorerOptions options_;
};

struct PerplexityOptions {
  std::int64_t window_tokens = 1024;  // BOS included
  std::int64_t max_windows = 0;       // 0: all
  base::TokenId bos{};
  // Called after each window with the windows done and their number.
  std::function<void(std::int64_t, std::int64_t)> on_progress;
};

struct Perplexity {
  double value = 0;
  std::int64_t tokens = 0;  // scored: every token but the BOS of each window
};

// `tokens` without BOS. A last window of fewer than 8 tokens is left out.
base::Result<Perplexity> measure_perplexity(Scorer& scorer, std::span<const base::TokenId> tokens,
                                            const PerplexityOptions& options);

}  // namespace fathom::engine
