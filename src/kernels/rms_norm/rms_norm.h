// RMSNorm: y = x / sqrt(mean(x^2) + eps) * w. Source: arXiv:1910.07467.
// Shapes: x f32 [num_tokens, hidden]; w [hidden]; y [num_tokens, hidden]; row-major.
// Dtypes: w bf16 | f16 | f32; y f32 | bf16; on CUDA also f16, and f8_e4m3: then y_scales f32
//   [num_tokens] gets a scale for each row, as quantize_rows gives it to the f32 result.
//   Accumulates in f32, per row in an order that depends on hidden alone.
// On CUDA, all arrays but y_scales start at multiples of 16 bytes; widths that are multiples of 8,
//   up to 16384, take one pass over memory.
// Cost: num_tokens * hidden * (4 + size of y) bytes. Tolerance: 1e-5 relative in f32, 1 ulp in
//   bf16, f16 and f8_e4m3.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct RmsNormArgs {
  tensor::View x;
  tensor::View weight;
  tensor::MutableView y;
  tensor::MutableView y_scales;  // of an f8_e4m3 y
  float epsilon = 1e-6F;
};

void rms_norm(const RmsNormArgs& args, device::Stream& stream);
void rms_norm_reference(const RmsNormArgs& args);

}  // namespace fathom::kernels
