// Row gather: y[i] = x[rows[i]]. Picks the rows whose logits are wanted before the head runs.
// Shapes: x [num_tokens, width]; rows i32 [num_rows]; y [num_rows, width]; row-major.
// Dtypes: x, y the same, f32 | bf16 | f16. Exact. An index outside x gives a row of zeros.
// On CUDA, x and y start at multiples of 16 bytes.
// Cost: 2 * num_rows * width * size bytes.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct GatherRowsArgs {
  tensor::View x;
  tensor::View rows;
  tensor::MutableView y;
};

void gather_rows(const GatherRowsArgs& args, device::Stream& stream);
void gather_rows_reference(const GatherRowsArgs& args);

}  // namespace fathom::kernels
