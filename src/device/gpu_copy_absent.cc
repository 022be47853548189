// A build without CUDA, where no device is a GPU.
#include "device/gpu_copy.h"

namespace fathom::device {

base::Result<void> copy_between_gpus(Device&, const void*, Device&, void*, std::size_t) {
  return base::fail(base::ErrorCode::kUnimplemented, "copy", "this build has no CUDA back end");
}

}  // namespace fathom::device
