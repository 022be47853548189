// The table of CUDA kernels, and the queue of a stream.
#include "base/check.h"
#include "device/cuda/cuda_device.h"
#include "kernels/cuda_kernels.h"

namespace fathom::kernels {

namespace cuda {
void silu_mul(const SiluMulTask&, const CudaQueue&);
void residual_rms_norm(const RmsNormTask&, const CudaQueue&);
void embedding(const EmbeddingTask&, const CudaQueue&);
void gather_rows(const GatherRowsTask&, const CudaQueue&);
void feed_tokens(const FeedTokensTask&, const CudaQueue&);
void store_tokens(const StoreTokensTask&, const CudaQueue&);
void count_tokens(const CountTokensTask&, const CudaQueue&);
void clear_counts(const ClearCountsTask&, const CudaQueue&);
void pool_rows(const PoolRowsTask&, const CudaQueue&);
void clear_pools(const ClearPoolsTask&, const CudaQueue&);
void quantize_rows(const QuantizeRowsTask&, const CudaQueue&);
}  // namespace cuda

const CudaKernels& cuda_kernels() {
  static constexpr CudaKernels kTable{.silu_mul = cuda::silu_mul,
                                      .residual_rms_norm = cuda::residual_rms_norm,
                                      .embedding = cuda::embedding,
                                      .gather_rows = cuda::gather_rows,
                                      .feed_tokens = cuda::feed_tokens,
                                      .store_tokens = cuda::store_tokens,
                                      .count_tokens = cuda::count_tokens,
                                      .clear_counts = cuda::clear_counts,
                                      .pool_rows = cuda::pool_rows,
                                      .clear_pools = cuda::clear_pools,
                                      .quantize_rows = cuda::quantize_rows};
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
