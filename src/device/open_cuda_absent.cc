// A build without CUDA.
#include "device/open_cuda.h"

namespace fathom::device {

base::Result<std::unique_ptr<Device>> open_cuda(int, const DeviceOptions&) {
  return base::fail(base::ErrorCode::kUnavailable, "--device",
                    "this build has no CUDA back end: it was made without a CUDA toolkit; install "
                    "one (nvcc 12.4 or later) and build again, or use --device cpu");
}

}  // namespace fathom::device
