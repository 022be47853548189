// Sampling: one token from each row of logits, greedy or random, on the device.
// Order: the row's adjustments, temperature, top-k, top-p, min-p (on what top-k and top-p left).
// The random number of a row is counter-based (Philox 4x32-10, arXiv "Parallel random numbers:
// as easy as 1, 2, 3", SC'11) on (seed, position of the token): no state, so a row draws the same
// token whatever else is in the batch. The draw walks what the filters left in order of id, until
// the probability passes the number.
// Shapes: logits f32 [num_rows, vocab_rows], only read; every parameter array [num_rows]; tokens
//   i32 [num_rows]; logprobs f32 [num_rows]: log-softmax of the raw logits at the chosen token,
//   whatever the adjustments.
// Columns from num_valid_tokens on are padding and are never chosen nor counted.
// Ties: the lowest id wins. A NaN logit counts as -infinity; one of +infinity is taken, whatever
//   the temperature. A row of -infinity, or with every token banned, gives token -1.
// Weights are exponentials in f32: a token below e^-87 of the likeliest is never drawn. Where
//   weights are equal though their logits are not, top-p may keep any of them first.
// The CPU and a GPU draw the same token unless the rounding of a sum of weights decides.
// A row without adjustments gives what it gives when `adjustments` is empty, bit for bit.
// Cost: on the CPU a few passes over num_rows * vocab_rows floats; on a GPU one, and for each row
//   with filters another of what may be kept, by one block.
#pragma once

#include "device/device.h"
#include "kernels/sample/logit_adjustments.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct SampleArgs {
  tensor::View logits;
  std::int64_t num_valid_tokens = 0;
  tensor::View temperature;  // f32; 0 is greedy
  tensor::View top_k;        // i32; 0 is off
  tensor::View top_p;        // f32 in (0, 1]; 1 is off
  tensor::View min_p;        // f32 in [0, 1]; 0 is off
  tensor::View seeds;        // i64
  tensor::View counters;     // i64: position of the token to draw
  LogitAdjustments adjustments;
  tensor::MutableView workspace;  // f32, sample_workspace_floats() of them
  tensor::MutableView tokens;
  tensor::MutableView logprobs;
};

// Floats of workspace for at most max_rows rows of vocab_rows: a few for each column on the CPU, a
// few for each 512 columns on a GPU. Nothing need be in it.
std::int64_t sample_workspace_floats(std::int64_t max_rows, std::int64_t vocab_rows,
                                     const device::Device& device);

void sample(const SampleArgs& args, device::Stream& stream);
void sample_reference(const SampleArgs& args);

}  // namespace fathom::kernels
