// Residual add and RMSNorm: residual += delta; y = residual / sqrt(mean(residual^2) + eps) * w.
// Source: arXiv:1910.07467.
// Shapes: residual f32 [num_tokens, hidden], changed in place; delta [num_tokens, hidden] or
//   empty (nothing is added); w [hidden]; y [num_tokens, hidden]; row-major.
// Dtypes: delta f32 | bf16; w bf16 | f16 | f32; y f32 | bf16. Accumulates in f32, per row in an
//   order that depends on hidden alone.
// Cost: num_tokens * hidden * (8 + sizes of delta and y) bytes. Tolerance: 1e-5 relative in f32,
//   1 ulp in bf16.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct ResidualRmsNormArgs {
  tensor::MutableView residual;
  tensor::View delta;
  tensor::View weight;
  tensor::MutableView y;
  float epsilon = 1e-6F;
};

void residual_rms_norm(const ResidualRmsNormArgs& args, device::Stream& stream);
void residual_rms_norm_reference(const ResidualRmsNormArgs& args);

}  // namespace fathom::kernels
