// Copies between GPUs, in builds that have CUDA.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "device/device.h"

namespace fathom::device {

// Both are CUDA devices. See copy_between().
base::Result<void> copy_between_gpus(Device& from, const void* source, Device& to, void* target,
                                     std::size_t num_bytes);

}  // namespace fathom::device
