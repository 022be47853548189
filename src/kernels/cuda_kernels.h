// The CUDA kernels as functions on plain pointers, all in device memory.
//
// Each only enqueues on the queue; a launch that fails is reported to the queue's stream, whose
// next wait returns the error. Nothing here includes a CUDA header, so host code may include it.
#pragma once

#include <stdint.h>

#include "kernels/kernel_tasks.h"

namespace fathom::device {
class Device;
class Stream;
}  // namespace fathom::device

namespace fathom::kernels {

// Where kernels are enqueued, and what they may use there.
struct CudaQueue {
  void* stream = nullptr;  // cudaStream_t
  // The architecture that this build's code for the device was made for (75 ... 90), at most the
  // device's own: it decides which variants exist.
  int architecture = 0;
  int num_multiprocessors = 0;
  int max_shared_bytes = 0;  // of one block, after opting in
  // Tells the stream that `what` failed with a cudaError_t.
  void (*report)(void* owner, int error, const char* what) = nullptr;
  void* owner = nullptr;
};

struct CudaKernels {
  void (*decode_row)(const DecodeRowTask&, const CudaQueue&);
  void (*linear)(const LinearTask&, const CudaQueue&);
  // Null, or what is missing and what to do about it. See prepare_linear().
  const char* (*prepare_linear)(const LinearShapeTask* shapes, int num_shapes, int64_t max_tokens,
                                const CudaQueue&);
  void (*silu_mul)(const SiluMulTask&, const CudaQueue&);
  void (*read_sum)(const ReadSumTask&, const CudaQueue&);
  void (*rope_kv_append)(const RopeTask&, const CudaQueue&);
  void (*paged_attention)(const AttentionTask&, const CudaQueue&);
  void (*rms_norm)(const RmsNormTask&, const CudaQueue&);
  void (*embedding)(const EmbeddingTask&, const CudaQueue&);
  void (*gather_rows)(const GatherRowsTask&, const CudaQueue&);
  void (*feed_tokens)(const FeedTokensTask&, const CudaQueue&);
  void (*store_tokens)(const StoreTokensTask&, const CudaQueue&);
  void (*count_tokens)(const CountTokensTask&, const CudaQueue&);
  void (*clear_counts)(const ClearCountsTask&, const CudaQueue&);
  void (*pool_rows)(const PoolRowsTask&, const CudaQueue&);
  void (*clear_pools)(const ClearPoolsTask&, const CudaQueue&);
  void (*quantize_rows)(const QuantizeRowsTask&, const CudaQueue&);
  void (*sample)(const SampleTask&, const CudaQueue&);
  void (*token_logprobs)(const TokenLogprobsTask&, const CudaQueue&);
  void (*top_logprobs)(const TopLogprobsTask&, const CudaQueue&);
};

bool on_cuda(device::Stream& stream);

// Only for a CUDA stream: a build without CUDA has none.
const CudaKernels& cuda_kernels();
CudaQueue cuda_queue(device::Stream& stream);
// Only of a CUDA device.
int num_multiprocessors(const device::Device& device);

}  // namespace fathom::kernels
