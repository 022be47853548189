// Attention of any even head size and types: a block for each query vector walks the context in
// tiles of 64 keys. Batch-invariant by construction.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/paged_attention/attention_cuda.h"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarpThreads;
constexpr int kTileKeys = 64;
constexpr int kMaxHeadDim = 512;
constexpr int kSums = kMaxHeadDim / kThreads;  // dimensions of a thread

__device__ float widen(int8_t value) { return static_cast<float>(value); }
using cuda::widen;

struct Shared {
  float q[kMaxHeadDim];
  float weights[kTileKeys];
  int64_t vectors[kTileKeys];  // index of each key's vector in the cache
};

// The sequence of a row: query_starts is sorted.
__device__ int64_t sequence_of(const AttentionTask& task, int64_t row) {
  int64_t low = 0;
  int64_t high = task.num_sequences;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (task.query_starts[middle] <= row ? low : high) = middle;
  }
  return low;
}

// Scores of the tile's keys, scaled; -infinity where there is none.
template <typename Cache>
__device__ void score_tile(const AttentionTask& task, const int32_t* table, int64_t kv_head,
                           int64_t first, int64_t visible, Shared& shared) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  for (int t = warp; t < kTileKeys; t += kWarps) {
    const int64_t position = first + t;
    float score = -INFINITY;
    int64_t vector = 0;
    if (position < visible) {
      const int64_t block = table[position / task.block_tokens];
      vector =
          (block * task.num_kv_heads + kv_head) * task.block_tokens + position % task.block_tokens;
      const Cache* key = static_cast<const Cache*>(task.keys) + vector * task.head_dim;
      float sum = 0;
      for (int64_t i = lane; i < task.head_dim; i += kWarpThreads) {
        sum += shared.q[i] * widen(key[i]);
      }
      score = warp_sum(sum) * task.scale;
      if (task.key_scales != nullptr) score *= task.key_scales[vector];
    }
    if (lane == 0) {
      shared.weights[t] = score;
      shared.vectors[t] = vector;
    }
  }
}

template <typename X, typename Cache>
__global__ void __launch_bounds__(kThreads) generic_kernel(AttentionTask task) {
  __shared__ Shared shared;
  wait_for_predecessor();
  let_successor_start();
  const int64_t row = blockIdx.x / task.num_heads;
  const int64_t head = blockIdx.x % task.num_heads;
  const int64_t dim = task.head_dim;
  const int64_t kv_head = head / (task.num_heads / task.num_kv_heads);
  const int64_t sequence = sequence_of(task, row);
  const int64_t visible = task.context_lens[sequence] == 0 ? 0 : task.positions[row] + 1;
  const int32_t* table = task.block_tables + sequence * task.max_blocks;
  const X* q = static_cast<const X*>(task.q) + blockIdx.x * dim;
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) shared.q[i] = widen(q[i]);
  __syncthreads();
  float max_score = -INFINITY;
  float sum = 0;
  float totals[kSums] = {};
  for (int64_t first = 0; first < visible; first += kTileKeys) {
    score_tile<Cache>(task, table, kv_head, first, visible, shared);
    __syncthreads();
    const int count = static_cast<int>(min(visible - first, static_cast<int64_t>(kTileKeys)));
    float new_max = max_score;
    for (int t = 0; t < count; ++t) new_max = fmaxf(new_max, shared.weights[t]);
    const float factor = expf(max_score - new_max);
    max_score = new_max;
    sum *= factor;
    for (float& total : totals) total *= factor;
    for (int t = 0; t < count; ++t) {
      const float weight = expf(shared.weights[t] - max_score);
      sum += weight;
      const int64_t vector = shared.vectors[t];
      const float scaled =
          task.value_scales == nullptr ? weight : weight * task.value_scales[vector];
      const Cache* value = static_cast<const Cache*>(task.values) + vector * dim;
#pragma unroll
      for (int k = 0; k < kSums; ++k) {
        const int64_t i = threadIdx.x + k * kThreads;
        if (i < dim) totals[k] += scaled * widen(value[i]);
      }
    }
    __syncthreads();
  }
  X* y = static_cast<X*>(task.y) + blockIdx.x * dim;
#pragma unroll
  for (int k = 0; k < kSums; ++k) {
    const int64_t i = threadIdx.x + k * kThreads;
    if (i < dim) y[i] = narrow<X>(visible == 0 ? 0.0F : totals[k] / sum);
  }
}

template <typename X, typename Cache>
void generic(const AttentionTask& task, const CudaQueue& queue) {
  launch(queue, "paged_attention (generic)",
         {.grid = static_cast<unsigned>(task.num_tokens * task.num_heads), .block = kThreads},
         Overlap::kWithPredecessor, generic_kernel<X, Cache>, task);
}

}  // namespace

void generic_attention(const AttentionTask& task, const CudaQueue& queue) {
  with_float_type(task.activation_type, [&](auto type) {
    using X = decltype(type);
    if (task.cache_type == Element::kI8) return generic<X, int8_t>(task, queue);
    if (task.cache_type == Element::kF8E4M3) return generic<X, __nv_fp8_e4m3>(task, queue);
    with_float_type(task.cache_type, [&](auto cache) { generic<X, decltype(cache)>(task, queue); });
  });
}

}  // namespace fathom::kernels::cuda
