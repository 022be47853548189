// The table of CUDA kernels, and the queue of a stream.
#include "base/check.h"
#include "device/cuda/cuda_device.h"
#include "kernels/cuda_kernels.h"

namespace fathom::kernels {

namespace cuda {
void silu_mul(const SiluMulTask&, const CudaQueue&);
void read_sum(const ReadSumTask&, const CudaQueue&);
void rope_kv_append(const RopeTask&, const CudaQueue&);
void paged_attention(const AttentionTask&, const CudaQueue&);
int64_t paged_attention_workspace_floats(int64_t num_multiprocessors, int64_t head_dim);
}  // namespace cuda

const CudaKernels& cuda_kernels() {
  static constexpr CudaKernels kTable{
      .silu_mul = cuda::silu_mul,
      .read_sum = cuda::read_sum,
      .rope_kv_append = cuda::rope_kv_append,
      .paged_attention = cuda::paged_attention,
      .paged_attention_workspace_floats = cuda::paged_attention_workspace_floats};
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

int num_multiprocessors(const device::Device& device) {
  CHECK(device.kind() == device::DeviceKind::kCuda, "multiprocessors of {}", device.name());
  return static_cast<const device::CudaDevice&>(device).properties().num_multiprocessors;
}

}  // namespace fathom::kernels
