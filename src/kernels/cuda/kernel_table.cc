// The table of CUDA kernels, and the queue of a stream.
#include "base/check.h"
#include "device/cuda/cuda_device.h"
#include "kernels/cuda_kernels.h"

namespace fathom::kernels {

namespace cuda {
void decode_row(const DecodeRowTask&, const CudaQueue&);
void linear(const LinearTask&, const CudaQueue&);
const char* prepare_linear(const LinearShapeTask* shapes, int num_shapes, int64_t max_tokens,
                           const CudaQueue&);
void silu_mul(const SiluMulTask&, const CudaQueue&);
void read_sum(const ReadSumTask&, const CudaQueue&);
void rope_kv_append(const RopeTask&, const CudaQueue&);
void paged_attention(const AttentionTask&, const CudaQueue&);
void rms_norm(const RmsNormTask&, const CudaQueue&);
void embedding(const EmbeddingTask&, const CudaQueue&);
void gather_rows(const GatherRowsTask&, const CudaQueue&);
void feed_tokens(const FeedTokensTask&, const CudaQueue&);
void store_tokens(const StoreTokensTask&, const CudaQueue&);
void count_tokens(const CountTokensTask&, const CudaQueue&);
void clear_counts(const ClearCountsTask&, const CudaQueue&);
void pool_rows(const PoolRowsTask&, const CudaQueue&);
void clear_pools(const ClearPoolsTask&, const CudaQueue&);
void quantize_rows(const QuantizeRowsTask&, const CudaQueue&);
void sample(const SampleTask&, const CudaQueue&);
void token_logprobs(const TokenLogprobsTask&, const CudaQueue&);
void top_logprobs(const TopLogprobsTask&, const CudaQueue&);
}  // namespace cuda

const CudaKernels& cuda_kernels() {
  static constexpr CudaKernels kTable{.decode_row = cuda::decode_row,
                                      .linear = cuda::linear,
                                      .prepare_linear = cuda::prepare_linear,
                                      .silu_mul = cuda::silu_mul,
                                      .read_sum = cuda::read_sum,
                                      .rope_kv_append = cuda::rope_kv_append,
                                      .paged_attention = cuda::paged_attention,
                                      .rms_norm = cuda::rms_norm,
                                      .embedding = cuda::embedding,
                                      .gather_rows = cuda::gather_rows,
                                      .feed_tokens = cuda::feed_tokens,
                                      .store_tokens = cuda::store_tokens,
                                      .count_tokens = cuda::count_tokens,
                                      .clear_counts = cuda::clear_counts,
                                      .pool_rows = cuda::pool_rows,
                                      .clear_pools = cuda::clear_pools,
                                      .quantize_rows = cuda::quantize_rows,
                                      .sample = cuda::sample,
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

int num_multiprocessors(const device::Device& device) {
  CHECK(device.kind() == device::DeviceKind::kCuda, "multiprocessors of {}", device.name());
  return static_cast<const device::CudaDevice&>(device).properties().num_multiprocessors;
}

}  // namespace fathom::kernels
