// Every thread keeps several loads of 16 bytes in flight, so that the memory is never idle.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kBlocksPerMultiprocessor = 4;
constexpr int kLoads = 8;

using Word = unsigned long long;

// Read once: nothing is worth keeping in the first cache.
__device__ ulonglong2 load_once(const ulonglong2* source) {
  ulonglong2 words;
  asm volatile("ld.global.nc.L1::no_allocate.v2.u64 {%0, %1}, [%2];"
               : "=l"(words.x), "=l"(words.y)
               : "l"(source));
  return words;
}

__global__ void __launch_bounds__(kThreads)
    read_sum_words(const ulonglong2* pairs, const Word* words, Word* y, int64_t count) {
  const int64_t num_pairs = count / 2;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  Word sum = 0;
  int64_t i = thread;
  for (; i + (kLoads - 1) * stride < num_pairs; i += kLoads * stride) {
    ulonglong2 loaded[kLoads];
#pragma unroll
    for (int k = 0; k < kLoads; ++k) loaded[k] = load_once(pairs + i + k * stride);
#pragma unroll
    for (int k = 0; k < kLoads; ++k) sum += loaded[k].x + loaded[k].y;
  }
  for (; i < num_pairs; i += stride) {
    const ulonglong2 pair = load_once(pairs + i);
    sum += pair.x + pair.y;
  }
  if (thread == 0 && count % 2 != 0) sum += words[count - 1];
  for (int offset = kWarpThreads / 2; offset > 0; offset /= 2) {
    sum += __shfl_xor_sync(0xFFFFFFFFU, sum, offset);
  }
  if (threadIdx.x % kWarpThreads == 0) atomicAdd(y, sum);
}

}  // namespace

void read_sum(const ReadSumTask& task, const CudaQueue& queue) {
  const cudaError_t error =
      cudaMemsetAsync(task.y, 0, sizeof(Word), static_cast<cudaStream_t>(queue.stream));
  if (error != cudaSuccess) return queue.report(queue.owner, error, "read_sum");
  const auto grid = static_cast<unsigned>(queue.num_multiprocessors * kBlocksPerMultiprocessor);
  launch(queue, "read_sum", {.grid = grid, .block = kThreads}, Overlap::kNone, read_sum_words,
         reinterpret_cast<const ulonglong2*>(task.x), reinterpret_cast<const Word*>(task.x),
         reinterpret_cast<Word*>(task.y), task.count);
}

}  // namespace fathom::kernels::cuda
