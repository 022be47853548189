// Asks the device's back end.
#include "kernels/device_shape.h"

#include "kernels/cuda_kernels.h"

namespace fathom::kernels {

footprint::DeviceShape device_shape(const device::Device& device) {
  if (device.kind() != device::DeviceKind::kCuda) return {};
  return {.is_gpu = true, .num_multiprocessors = num_multiprocessors(device)};
}

}  // namespace fathom::kernels
