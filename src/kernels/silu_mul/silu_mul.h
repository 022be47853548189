// SwiGLU's gate: y = silu(gate) * up, silu(v) = v / (1 + exp(-v)). Source: arXiv:2002.05202.
// Shapes: gate_up [num_tokens, 2 * intermediate], gate first; y [num_tokens, intermediate].
// Dtypes: gate_up, y f32 | bf16, the same; computed in f32.
// Cost: 3 * num_tokens * intermediate * size bytes. Tolerance: 2e-6 relative in f32, 1 ulp bf16.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct SiluMulArgs {
  tensor::View gate_up;
  tensor::MutableView y;
};

void silu_mul(const SiluMulArgs& args, device::Stream& stream);
void silu_mul_reference(const SiluMulArgs& args);

}  // namespace fathom::kernels
