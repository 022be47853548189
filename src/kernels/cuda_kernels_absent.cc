// A build without CUDA: no stream of it can exist.
#include "base/check.h"
#include "kernels/cuda_kernels.h"

namespace fathom::kernels {

const CudaKernels& cuda_kernels() { CHECK(false, "this build has no CUDA kernels"); }

CudaQueue cuda_queue(device::Stream&) { CHECK(false, "this build has no CUDA kernels"); }

int num_multiprocessors(const device::Device&) { CHECK(false, "this build has no CUDA kernels"); }

}  // namespace fathom::kernels
