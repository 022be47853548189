// Finds a GPU and asks what it is.
#include <cuda_runtime.h>

#include "device/cuda/cuda_device.h"
#include "device/open_cuda.h"

namespace fathom::device {

using base::ErrorCode;
using base::fail;

int code_architecture();

namespace {

base::Result<int> count_gpus() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorNoDevice) count = 0;
  if (error == cudaErrorInsufficientDriver) {
    int version = 0;
    cudaDriverGetVersion(&version);
    if (version > 0) {
      return fail(ErrorCode::kUnavailable, "--device",
                  "the NVIDIA driver is for CUDA {}.{}, but this build needs {}.{}: update the "
                  "driver, or use --device cpu",
                  version / 1000, version % 1000 / 10, CUDART_VERSION / 1000,
                  CUDART_VERSION % 1000 / 10);
    }
    return fail(ErrorCode::kUnavailable, "--device",
                "no NVIDIA driver is installed (libcuda.so.1 is not found); install one, or use "
                "--device cpu");
  }
  if (error != cudaSuccess && error != cudaErrorNoDevice) {
    return fail(ErrorCode::kUnavailable, "--device", "the NVIDIA driver does not start: {}",
                cudaGetErrorString(error));
  }
  return count;
}

}  // namespace

base::Result<std::unique_ptr<Device>> open_cuda(int ordinal, const DeviceOptions& options) {
  const int count = TRY(count_gpus());
  if (ordinal >= count) {
    return fail(ErrorCode::kUnavailable, "--device",
                "there is no GPU {}: {} found, counted from 0 (CUDA_VISIBLE_DEVICES can hide some)",
                ordinal, count);
  }
  cudaDeviceProp device{};
  cudaError_t error = cudaSetDevice(ordinal);
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&device, ordinal);
  if (error != cudaSuccess) {
    return fail(ErrorCode::kUnavailable, "--device", "GPU {} does not answer: {}", ordinal,
                cudaGetErrorString(error));
  }
  CudaProperties properties{
      .ordinal = ordinal,
      .name = device.name,
      .architecture = device.major * 10 + device.minor,
      .code_architecture = code_architecture(),
      .num_multiprocessors = device.multiProcessorCount,
      .max_shared_bytes_per_block = static_cast<int>(device.sharedMemPerBlockOptin),
      .l2_cache_bytes = device.l2CacheSize,
      .memory_bytes = device.totalGlobalMem};
  if (properties.code_architecture == 0) {
    return fail(ErrorCode::kUnavailable, "--device",
                "this build has no code for {} (sm_{}); build with CMAKE_CUDA_ARCHITECTURES={}",
                properties.name, properties.architecture, properties.architecture);
  }
  return std::make_unique<CudaDevice>(std::move(properties), options.memory_limit_bytes);
}

}  // namespace fathom::device
