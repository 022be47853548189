// The architecture of this build's code on a GPU: an empty kernel knows what it was made for.
#include <cuda_runtime.h>

namespace fathom::device {
namespace {

__global__ void probe() {}

}  // namespace

// Ten times the compute capability; 0 if this build has no code for the current device.
int code_architecture() {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, probe) == cudaSuccess ? attributes.ptxVersion : 0;
}

}  // namespace fathom::device
