// The likeliest tokens of each row of logits with their log-softmax, and the log-softmax and rank
// of given tokens. Shapes: logits f32 [num_rows, vocab_rows]; targets i32 [num_rows], -1: none; ids
// i32, logprobs
//   f32 [num_rows, k] with 0 <= k <= kMaxTopLogprobs; target_logprobs f32, target_ranks i32
//   [num_rows].
// Order: by logit, descending; ties by id, ascending. Columns from num_valid_tokens on are padding
//   and neither appear nor count. A NaN logit counts as -infinity. Tokens of -infinity do not
//   appear: entries that are left over have id -1 and logprob -infinity.
// Rank: 1 + the number of valid tokens with a greater logit, so that the likeliest has 1. A target
//   outside [0, num_valid_tokens) has rank 0 and logprob -infinity.
// Log-softmax: as token_logprobs gives it, bit for bit.
// Cost: three passes over the logits. Tolerance: 1e-5 absolute.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

inline constexpr std::int64_t kMaxTopLogprobs = 20;

struct TopLogprobsArgs {
  tensor::View logits;
  std::int64_t num_valid_tokens = 0;
  tensor::View targets;
  tensor::MutableView ids;
  tensor::MutableView logprobs;
  tensor::MutableView target_logprobs;
  tensor::MutableView target_ranks;
};

void top_logprobs(const TopLogprobsArgs& args, device::Stream& stream);
void top_logprobs_reference(const TopLogprobsArgs& args);

}  // namespace fathom::kernels
