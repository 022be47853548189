// Launches with their errors checked, and programmatic dependent launch.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "kernels/cuda_kernels.h"

namespace fathom::kernels::cuda {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
};

// Blocks of `size` for `count` items.
inline unsigned num_blocks(int64_t count, int64_t size) {
  return static_cast<unsigned>((count + size - 1) / size);
}

// A kernel launched so may start before its predecessor on the stream has ended, and must call
// wait_for_predecessor() before it reads what that one wrote or writes what that one reads. On
// architectures before 9.0 it is an ordinary launch.
// kWholeGridAtOnce is an ordinary launch whose blocks all run at the same time, so that they may
// wait for each other; it fails where they do not fit.
enum class Overlap { kNone, kWithPredecessor, kWholeGridAtOnce };

// Enqueues kernel<<<shape>>>(arguments...). An empty grid is no launch.
template <typename... Parameters, typename... Arguments>
void launch(const CudaQueue& queue, const char* name, const LaunchShape& shape, Overlap overlap,
            void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
  if (shape.shared_bytes > 48 * 1024) {
    const cudaError_t error = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes));
    if (error != cudaSuccess) return queue.report(queue.owner, error, name);
  }
  cudaLaunchAttribute attribute{};
  if (overlap == Overlap::kWholeGridAtOnce) {
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
  } else {
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = static_cast<cudaStream_t>(queue.stream);
  config.attrs = &attribute;
  const bool has_attribute = overlap == Overlap::kWholeGridAtOnce ||
                             (overlap == Overlap::kWithPredecessor && queue.architecture >= 90);
  config.numAttrs = has_attribute ? 1 : 0;
  const cudaError_t error =
      cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
  if (error != cudaSuccess) queue.report(queue.owner, error, name);
}

// Waits until what the predecessor on the stream wrote can be read.
__device__ inline void wait_for_predecessor() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the successor on the stream start, if it was launched to overlap.
__device__ inline void let_successor_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace fathom::kernels::cuda
