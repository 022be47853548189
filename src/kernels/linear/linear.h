// Linear: y = x W^T + b, with W in up to three row blocks stacked along its outputs (merged
// query/key/value, merged gate/up), each where its checkpoint put it.
// Shapes: x [num_tokens, in]; W block i [out_i, in]; b block i [out_i] or empty;
//   y [num_tokens, sum of out_i]; row-major. Any num_tokens >= 0, any in and out >= 1.
// Dtypes: x f32 with W f32 | bf16 | f16 (widened exactly), or x bf16 with W bf16; b bf16 | f16 |
//   f32; y f32 | bf16. Accumulates in f32. W needs no alignment beyond its element's.
// Order: an output's sum runs over `in` in an order that depends on `in` alone, so a row of y has
//   the same bits whatever else is in the batch.
// Cost: 2 * num_tokens * in * out FLOP; reads W once for every block of token rows.
// Tolerance: |error| <= 4 * in * 2^-24 * sum |x w| in f32; bf16 outputs are rounded once more.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

inline constexpr int kMaxLinearBlocks = 3;

struct LinearBlock {
  tensor::View weight;
  tensor::View bias;
  tensor::View scales;  // of an fp8 weight
};

// One matrix, as one to three row blocks.
struct LinearWeight {
  std::array<LinearBlock, kMaxLinearBlocks> blocks;
  int num_blocks = 0;

  std::span<const LinearBlock> used() const {
    return {blocks.data(), static_cast<std::size_t>(num_blocks)};
  }
  std::int64_t out_features() const;
  std::int64_t in_features() const { return blocks[0].weight.shape[1]; }
};

struct LinearArgs {
  tensor::View x;
  LinearWeight weight;
  tensor::MutableView y;
};

void linear(const LinearArgs& args, device::Stream& stream);
void linear_reference(const LinearArgs& args);

}  // namespace fathom::kernels
