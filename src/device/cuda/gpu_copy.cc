// cudaMemcpyPeer, with peer access where the driver gives it.
#include "device/gpu_copy.h"

#include <cuda_runtime.h>

#include "device/cuda/cuda_device.h"

namespace fathom::device {
namespace {

base::Error error_of(cudaError_t error, const Device& from, const Device& to) {
  return base::fail(base::ErrorCode::kUnavailable, "copy between GPUs", "{} to {}: {}", from.name(),
                    to.name(), cudaGetErrorString(error));
}

}  // namespace

base::Result<void> copy_between_gpus(Device& from, const void* source, Device& to, void* target,
                                     std::size_t num_bytes) {
  const auto& sender = static_cast<CudaDevice&>(from);
  const auto& receiver = static_cast<CudaDevice&>(to);
  const int from_ordinal = sender.properties().ordinal;
  const int to_ordinal = receiver.properties().ordinal;
  receiver.use();
  int can_access = 0;
  cudaError_t error = cudaDeviceCanAccessPeer(&can_access, to_ordinal, from_ordinal);
  if (error == cudaSuccess && can_access == 1) {
    error = cudaDeviceEnablePeerAccess(from_ordinal, 0);
    if (error == cudaErrorPeerAccessAlreadyEnabled) {
      // Not a failure, but the runtime keeps it as the last error.
      cudaGetLastError();
      error = cudaSuccess;
    }
  }
  if (error == cudaSuccess) {
    error = cudaMemcpyPeer(target, to_ordinal, source, from_ordinal, num_bytes);
  }
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  return error == cudaSuccess ? base::Result<void>() : error_of(error, from, to);
}

}  // namespace fathom::device
