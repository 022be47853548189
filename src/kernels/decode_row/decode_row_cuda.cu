// decode_row: one block on each multiprocessor runs the whole step.
//
// A part of a layer (QKV, attention, output, gate/up, down) starts when all blocks have finished
// the one before: a barrier over the grid. The producer's stream of weights goes on meanwhile, and
// the consumers catch up from shared memory, which they read several times faster than the stream
// fills it.
#include "kernels/cuda/launch.cuh"
#include "kernels/decode_row/row_step.cuh"

namespace fathom::kernels::cuda {
namespace {

template <typename T, typename C, int kInnerSteps>
__global__ void __launch_bounds__(kStepThreads, 1)
    run_step(const __grid_constant__ DecodeRowTask task) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  extern __shared__ __align__(kRingAlignment) char memory[];
  auto& shared = *reinterpret_cast<SharedState*>(memory);
  char* ring = memory + kStateBytes;
  if (threadIdx.x == 0) {
    for (uint32_t i = 0; i < kMaxStages; ++i) {
      init_barrier(&shared.stream.full[i], 1);
      init_barrier(&shared.stream.empty[i], kConsumerWarps);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  const AttentionShare share(task);
  if (threadIdx.x < kConsumerThreads) {
    Consumer<T, C, kInnerSteps>(task, ring, shared, share).run();
  } else {
    produce(task, ring, shared.stream, share);
  }
#endif
}

template <typename T, typename C>
void launch_step(const DecodeRowTask& task, const CudaQueue& queue) {
  // The ring takes all the shared memory there is.
  DecodeRowTask sized = task;
  sized.ring_bytes = (static_cast<uint32_t>(queue.max_shared_bytes) - kStateBytes) /
                     kRingAlignment * kRingAlignment;
  const LaunchShape shape{.grid = static_cast<unsigned>(queue.num_multiprocessors),
                          .block = kStepThreads,
                          .shared_bytes = kStateBytes + sized.ring_bytes};
  // The vector of the down projection takes 3 or 5 steps.
  const DecodeRowMatrix& inner = task.matrices[3];
  const bool is_wide = inner.in > kConsumerThreads / inner.stage_rows * kOctet * 3;
  launch(queue, "decode_row", shape, Overlap::kWholeGridAtOnce,
         is_wide ? run_step<T, C, 5> : run_step<T, C, 3>, sized);
}

}  // namespace

void decode_row(const DecodeRowTask& task, const CudaQueue& queue) {
  const bool is_f8 = task.cache_type == Element::kF8E4M3;
  if (task.type == Element::kBF16) {
    return is_f8 ? launch_step<__nv_bfloat16, __nv_fp8_e4m3>(task, queue)
                 : launch_step<__nv_bfloat16, __nv_bfloat16>(task, queue);
  }
  return is_f8 ? launch_step<__half, __nv_fp8_e4m3>(task, queue)
               : launch_step<__half, __half>(task, queue);
}

}  // namespace fathom::kernels::cuda
