// SwiGLU's gate: y = silu(gate) * up, silu(v) = v / (1 + exp(-v)). Source: arXiv:2002.05202.
// Shapes: gate_up [num_tokens, 2 * intermediate], gate first; y [num_tokens, intermediate].
// Dtypes: gate_up, y f32 | bf16, the same; on CUDA also f16, and y may be f8_e4m3 with any of them:
//   then y_scales f32 [num_tokens] gets a scale for each row, as quantize_rows gives it to the f32
//   result. Computed in f32.
// On CUDA, gate_up and y start at multiples of 16 bytes.
// Cost: 3 * num_tokens * intermediate * size bytes. Tolerance: 2e-6 relative in f32, 1 ulp in bf16,
//   f16 and f8_e4m3.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct SiluMulArgs {
  tensor::View gate_up;
  tensor::MutableView y;
  tensor::MutableView y_scales;  // of an f8_e4m3 y
};

void silu_mul(const SiluMulArgs& args, device::Stream& stream);
void silu_mul_reference(const SiluMulArgs& args);

}  // namespace fathom::kernels
