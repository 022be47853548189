// The table of CUDA kernels, and the queue of a stream.
#include "base/check.h"
#include "device/cuda/cuda_device.h"
#include "kernels/cuda_kernels.h"

namespace fathom::kernels {

namespace cuda {
void silu_mul(const SiluMulTask&, const CudaQueue&);
void sample(const SampleTask&, const CudaQueue&);
int64_t sample_workspace_floats(int64_t max_rows, int64_t vocab_rows);
void token_logprobs(const TokenLogprobsTask&, const CudaQueue&);
void top_logprobs(const TopLogprobsTask&, const CudaQueue&);
}  // namespace cuda

const CudaKernels& cuda_kernels() {
  static constexpr CudaKernels kTable{.silu_mul = cuda::silu_mul,
                                      .sample = cuda::sample,
                                      .sample_workspace_floats = cuda::sample_workspace_floats,
                                      .token_logprobs = cuda::token_logprobs,
                                      .top_logprobs = cuda::top_logprobs};
  return kTable;
}

CudaQueue cuda_queue(device::Stream& stream) {
  CHECK(on_cuda(stream), "a CUDA kernel on {}", stream.device().name());
  auto& cuda = static_cast<device::CudaStream&>(stream);
  const device::CudaProperties& properties = cuda.cuda_device().properties();
  return {.stream = cuda.native(),
          .architecture = properties.code_architecture,
          .num_multiprocessors = properties.num_multiprocessors,
          .max_shared_bytes = properties.max_shared_bytes_per_block,
          .report =
              [](void* owner, int error, const char* what) {
                static_cast<device::CudaStream*>(owner)->note_error(error, what);
              },
          .owner = &cuda};
}

}  // namespace fathom::kernels
