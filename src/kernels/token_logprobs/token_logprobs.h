// Log-probabilities of given tokens: y[i] = log_softmax(logits[i])[targets[i]].
// Shapes: logits f32 [num_rows, vocab_rows]; targets i32 [num_rows]; y f32 [num_rows].
// Columns from num_valid_tokens on are padding and do not count. Sums in f64 or pairwise in f32.
// A target outside [0, num_valid_tokens) gives -infinity.
// Cost: one or two passes over the logits. Tolerance: 1e-5 absolute.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct TokenLogprobsArgs {
  tensor::View logits;
  std::int64_t num_valid_tokens = 0;
  tensor::View targets;
  tensor::MutableView y;
};

void token_logprobs(const TokenLogprobsArgs& args, device::Stream& stream);
void token_logprobs_reference(const TokenLogprobsArgs& args);

}  // namespace fathom::kernels
