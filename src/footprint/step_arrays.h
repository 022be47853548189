// The arrays that describe a step, and those of sampling and of counting tokens.
#pragma once

#include <cstdint>

#include "footprint/device_shape.h"

namespace fathom::footprint {

// Entries of logit biases and bans that one row may have.
inline constexpr std::int64_t kMaxBiasesPerRow = 4096;
// The likeliest tokens that one row may ask for.
inline constexpr std::int64_t kMaxTopLogprobs = 20;

struct StepDemand {
  std::int64_t max_step_tokens = 0;
  std::int64_t max_sequences = 0;
  std::int64_t max_logit_rows = 0;
  std::int64_t max_blocks = 0;  // of one sequence
};

// Offsets into one buffer, in elements of i32.
struct StepArrays {
  std::int64_t ids = 0, positions = 0, slots = 0, query_starts = 0, context_lens = 0;
  std::int64_t logit_rows = 0, feed_slots = 0, pool_slots = 0, block_tables = 0;
  std::int64_t size = 0;

  std::int64_t num_bytes() const { return size * 4; }
};

StepArrays step_arrays(const StepDemand& demand);

struct SamplerDemand {
  std::int64_t max_rows = 0;   // rows of logits in a step
  std::int64_t max_slots = 0;  // sequences that run at a time
  std::int64_t max_step_tokens = 0;
  std::int64_t vocab_rows = 0;
};

// Byte offsets into the device's memory and, up to mirrored_end, the host's mirror.
struct SamplerArrays {
  std::int64_t seeds = 0, counters = 0, temperature = 0, top_k = 0, top_p = 0, min_p = 0;
  std::int64_t repetition = 0, presence = 0, frequency = 0, penalty_slots = 0, store_slots = 0;
  std::int64_t is_prompt = 0, mask_rows = 0, targets = 0, target_sources = 0, bias_starts = 0;
  std::int64_t bias_tokens = 0, bias_values = 0, masks = 0;
  std::int64_t tokens = 0, logprobs = 0;
  std::int64_t ranks = 0, target_logprobs = 0, top_ids = 0, top_logprobs = 0;
  std::int64_t mirrored_end = 0;
  std::int64_t last_tokens = 0, token_counts = 0, workspace = 0;
  std::int64_t end = 0;
};

SamplerArrays sampler_arrays(const SamplerDemand& demand, const DeviceShape& device);

// Byte offsets of the arrays of tokens to count.
struct CountArrays {
  std::int64_t clear_slots = 0, slots = 0, tokens = 0, is_prompt = 0, end = 0;
};

CountArrays count_arrays(const SamplerDemand& demand);

}  // namespace fathom::footprint
