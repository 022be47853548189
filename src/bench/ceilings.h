// The rates that a device reaches at best, measured through the operations of src/kernels.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "bench/limits.h"
#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::bench {

struct CeilingOptions {
  // Of the products; fp8 weights make the device multiply in fp8 where it does so for a model.
  tensor::DType compute_dtype = tensor::DType::kBF16;
  bool weights_in_fp8 = false;
  // The array that is read: 0 takes a sixteenth of the memory left, from 256 MiB to 4 GiB, so that
  // no cache holds a part of it that counts.
  std::int64_t read_bytes = 0;
  // Products of square matrices from 1024 to this, or until one takes a quarter of a second.
  std::int64_t max_dot_size = 8192;
};

// Read bandwidth: the best of several runs of kernels::read_sum. Dot rate: the best of several runs
// of kernels::linear at each size. All memory is given back. Takes about a second.
base::Result<Ceilings> measure_ceilings(device::Device& device, const CeilingOptions& options);

}  // namespace fathom::bench
