// ReadSum: the sum of an array's 64-bit words, modulo 2^64. It reads everything and writes next to
// nothing, so the rate at which it runs is the read bandwidth that others are held against.
// Shapes: x i64 [count], aligned to 16 bytes; y i64 [1].
// Order: any; sums modulo 2^64 are exact in each.
// Cost: 8 * count bytes read. Tolerance: none.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct ReadSumArgs {
  tensor::View x;
  tensor::MutableView y;
};

void read_sum(const ReadSumArgs& args, device::Stream& stream);
void read_sum_reference(const ReadSumArgs& args);

}  // namespace fathom::kernels
