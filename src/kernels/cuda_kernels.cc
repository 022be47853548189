// Which streams are CUDA's.
#include "kernels/cuda_kernels.h"

#include "device/device.h"

namespace fathom::kernels {

bool on_cuda(device::Stream& stream) { return stream.device().kind() == device::DeviceKind::kCuda; }

}  // namespace fathom::kernels
