// Sums of rows by slot: y[slots[i]] += x[i], for embeddings that are means over a text's tokens.
// Shapes: x [num_rows, hidden]; slots i32 [num_rows]; y f32 [num_slots, hidden]; row-major.
// Dtypes: x f32 | bf16, on CUDA also f16. A slot outside y (-1 is the way to say none) is skipped.
// Order: each element of y takes its addends one by one in f32, in order of i. So a text's sum has
//   the same bits however its tokens were cut into calls, and whatever else they pooled.
// clear_pools: y[slots[i]] = 0.
// Cost: bytes of x read, a row of y read and written for each.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct PoolRowsArgs {
  tensor::View x;
  tensor::View slots;
  tensor::MutableView y;
};

struct ClearPoolsArgs {
  tensor::View slots;
  tensor::MutableView y;
};

void pool_rows(const PoolRowsArgs& args, device::Stream& stream);
void pool_rows_reference(const PoolRowsArgs& args);
void clear_pools(const ClearPoolsArgs& args, device::Stream& stream);
void clear_pools_reference(const ClearPoolsArgs& args);

}  // namespace fathom::kernels
