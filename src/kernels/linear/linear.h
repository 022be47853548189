// Linear: y = x W^T + b, with W in up to three row blocks stacked along its outputs (merged
// query/key/value, merged gate/up), each where its checkpoint put it.
// Shapes: x [num_tokens, in]; W block i [out_i, in]; b block i [out_i] or empty;
//   y [num_tokens, sum of out_i]; row-major. Any num_tokens >= 0, any in and out >= 1.
// Dtypes: x f32 with W f32 | bf16 | f16 (widened exactly), or x bf16 with W bf16; b bf16 | f16 |
//   f32; y f32 | bf16. Accumulates in f32. W needs no alignment beyond its element's.
//   On CUDA also x f16 with W f16, y f16; and on sm_89+ W f8_e4m3 with `scales` f32 [out_i], each
//   weight being scale times its code, with x bf16 | f16, or x f8_e4m3 with `x_scales` f32
//   [num_tokens]. With many tokens an x in bf16 or f16 is quantized like that first (scale =
//   max|x| / 448 of its row); with batch_invariant, with any number of tokens or with none.
// accumulate: y += x W^T + b; y is f32 then.
// Order: an output's sum runs over `in` in an order that depends on `in` alone, so a row of y has
//   the same bits whatever else is in the batch. On CUDA this holds with batch_invariant; without,
//   the order may also depend on num_tokens, and the same product has the same bits in each run.
// Cost: 2 * num_tokens * in * out FLOP; reads W once for every block of token rows. Fast on CUDA
//   if x, W and y lie at multiples of 16 bytes, and so does each of their rows.
// Tolerance: |error| <= 4 * in * 2^-24 * sum |x w| in f32; bf16 outputs are rounded once more.
//   The GPU's fp8 by fp8 products add up with about 14 bits, a step after the other: |error| <=
//   2^-13 (1 + in / 1024) sum |x w| there. Quantizing x adds up to 2^-4 |x w| a term.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/result.h"
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
  tensor::View x_scales;  // of an fp8 x
  LinearWeight weight;
  tensor::MutableView y;
  bool accumulate = false;
  bool batch_invariant = false;
  // u8 [linear_workspace_bytes()], or empty: then fewer algorithms may be used. Zero before the
  // first call, and nobody else's; calls on one stream may share it.
  tensor::MutableView workspace;
};

// On CUDA, whoever makes an x of more tokens for fp8 weights had best write it in fp8: few tokens'
// products need not widen the weights then, and many tokens' read x so anyway. Not with
// batch_invariant, where linear() itself knows whether they do.
inline constexpr std::int64_t kMaxUnquantizedTokens = 1;

void linear(const LinearArgs& args, device::Stream& stream);
void linear_reference(const LinearArgs& args);

// Enough for every call on the device with at most so many tokens and inputs. 0 on the CPU.
std::int64_t linear_workspace_bytes(const device::Device& device, std::int64_t max_tokens,
                                    std::int64_t max_in);

// What a model multiplies, for prepare_linear().
struct LinearShape {
  std::int64_t in = 0;
  std::int64_t out = 0;
  tensor::DType x_type = tensor::DType::kBF16;
  tensor::DType weight_type = tensor::DType::kBF16;
  tensor::DType y_type = tensor::DType::kBF16;
  bool accumulate = false;
  bool batch_invariant = false;
};

// Makes the device ready for linear(): to be called before the first call on it. On CUDA it opens
// cuBLASLt, and the error says what to install if it is missing. Then it times the algorithms of
// each shape with 16, 32, 64, ... tokens up to max_tokens and remembers the fastest for the
// process's life; this takes about 0.2 s a shape and up to 1 GiB of device memory meanwhile, and is
// left out where that is not there. For shapes that ask for it, it finds out whether the library
// gives a row the same bits in every number of tokens; where it does, linear() uses it with
// batch_invariant, too, else our own kernels, which are slower with many tokens. Nothing to do on
// the CPU. Thread-safe.
base::Result<void> prepare_linear(device::Device& device, std::span<const LinearShape> shapes = {},
                                  std::int64_t max_tokens = 0);

}  // namespace fathom::kernels
