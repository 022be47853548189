// Quantization of activations to fp8, one scale for each row:
//   scale = max_i |x_i| / 448 in f32;  y_i = x_i / scale in f32, rounded to nearest, ties to even.
// A scale of 0 (of zeros, and of what is too small to have one) gives a row of zeros. NaNs have no
// part in the scale and stay NaNs.
// Shapes: x [num_rows, width]; y [num_rows, width]; scales [num_rows]; row-major.
// Dtypes: x f32 | bf16 | f16; y f8_e4m3; scales f32. Exact.
// The CPU computes nothing in fp8, so there this runs the reference, on one thread: slow.
// On CUDA, x and y start at multiples of 16 bytes; widths that are multiples of 8, up to 20480,
// take
//   one pass over memory.
// Cost: num_rows * width * (size of x + 1) bytes. Type: arXiv:2209.05433.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct QuantizeRowsArgs {
  tensor::View x;
  tensor::MutableView y;
  tensor::MutableView scales;
};

void quantize_rows(const QuantizeRowsArgs& args, device::Stream& stream);
void quantize_rows_reference(const QuantizeRowsArgs& args);

}  // namespace fathom::kernels
