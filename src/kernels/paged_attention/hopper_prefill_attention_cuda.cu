// Attention of sequences with many rows for sm_90a: 128 query vectors times 64 keys by wgmma.
//
// As prefill_attention_cuda.cu, but two groups of four warps have 64 rows each and share the keys,
// which stay in shared memory; the scores of the next keys are multiplied while the weights of
// these are computed. 8-bit keys and values are made f16 in shared memory first.
#include "kernels/paged_attention/attention_cuda.h"
#include "kernels/paged_attention/attention_tiles.cuh"
#include "kernels/paged_attention/query_tiles.cuh"
#include "kernels/paged_attention/wgmma.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kGroupWarps = 4;
constexpr int kGroupRows = kGroupWarps * 16;
constexpr int kTileKeys = 64;

// A block of one or two groups of warps. One has few rows, as in decode steps, where two blocks
// on a multiprocessor keep more loads under way. Their arithmetic is the same.
template <int kNumGroups>
struct Groups {
  static constexpr int kWarps = kNumGroups * kGroupWarps;
  static constexpr int kThreads = kWarps * kWarpThreads;
  static constexpr int kTileQueries = kNumGroups * kGroupRows;
  static constexpr int kStages = kNumGroups == 1 ? 3 : 4;
};

// Keys that a warp copies.
template <typename G>
constexpr int kWarpKeys = kTileKeys / G::kWarps;

// Sixty-four keys or values in 16 bits as wgmma takes them: parts of 64 dimensions, each with rows
// of 128 bytes whose 16-byte chunks are swizzled.
template <int kDim>
struct WideTile {
  static constexpr int kPartBytes = kTileKeys * 128;
  static constexpr int kBytes = kDim / 64 * kPartBytes;

  __device__ static int offset(int key, int chunk) {
    return chunk / 8 * kPartBytes + key * 128 + ((chunk ^ key) & 7) * 16;
  }
};

template <typename T, typename G>
struct Shared {
  static constexpr int kHalfBytes = kTileKeys * T::kRowBytes;
  alignas(1024) char ring[G::kStages][2][kHalfBytes];  // as in the cache; 16 bits: as WideTile
  char wide[T::kIsByte ? 2 : 1][2][T::kIsByte ? WideTile<T::kDim>::kBytes : 1024];
  float scales[G::kStages][kTileKeys / kBlockKeys][2 * kBlockKeys];
};

template <typename X, typename T>
__device__ void load_queries(const AttentionTask& task, const Work& work, int first,
                             uint32_t (&q)[T::kDim / 16][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
#pragma unroll
  for (int upper = 0; upper < 2; ++upper) {
    const int i = first + lane / 4 + upper * 8;
    const bool is_live = i < work.num_queries;
    const X* source =
        static_cast<const X*>(task.q) + query_offset(task, work, is_live ? i : 0) + lane % 4 * 2;
#pragma unroll
    for (int step = 0; step < T::kDim / 16; ++step) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        q[step][2 * half + upper] =
            is_live ? load_pair<typename T::Math>(source + step * 16 + half * 8) : 0;
      }
    }
  }
}

template <typename X, typename T>
__device__ void store_rows(const AttentionTask& task, const Work& work, RowSums<T, 2>& rows,
                           int first) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  rows.add_up();
#pragma unroll
  for (int upper = 0; upper < 2; ++upper) {
    const int query = first + lane / 4 + upper * 8;
    if (query >= work.num_queries) continue;
    // The padding rows' sum is 0.
    const float scale = rows.sums[upper] == 0.0F ? 0.0F : __fdividef(1.0F, rows.sums[upper]);
    X* y = static_cast<X*>(task.y) + query_offset(task, work, query) + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < T::kDim / 8; ++n) {
      *reinterpret_cast<uint32_t*>(y + n * 8) =
          packed<X>(__fmul_rn(rows.totals[n][2 * upper], scale),
                    __fmul_rn(rows.totals[n][2 * upper + 1], scale));
    }
  }
}

// Starts the copies of a warp's keys and values. Each lane holds the vector of key lane % 8.
template <typename T, typename G>
__device__ void start_keys(const AttentionTask& task, Shared<T, G>& shared, int stage, int vector) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const char* halves[2] = {static_cast<const char*>(task.keys),
                           static_cast<const char*>(task.values)};
  constexpr int kCopies = kWarpKeys<G> * T::kChunks / kWarpThreads;
#pragma unroll
  for (int i = 0; i < kCopies; ++i) {
    const int own_key = (i * kWarpThreads + lane) / T::kChunks;
    const int key = warp * kWarpKeys<G> + own_key;
    const int chunk = lane % T::kChunks;
    const int from = __shfl_sync(0xFFFFFFFFU, vector, own_key);
    const int64_t at = static_cast<int64_t>(from < 0 ? 0 : from) * T::kRowBytes + chunk * 16;
    const int target =
        T::kIsByte ? key * T::kRowBytes + chunk * 16 : WideTile<T::kDim>::offset(key, chunk);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      start_copy<16>(shared.ring[stage][half] + target, halves[half] + at, from >= 0);
    }
  }
  if (T::kHasScales && lane < 2 * kWarpKeys<G>) {
    const int key = warp * kWarpKeys<G> + lane % kWarpKeys<G>;
    const bool is_value = lane >= kWarpKeys<G>;
    const float* scales = is_value ? task.value_scales : task.key_scales;
    start_copy<4>(
        &shared.scales[stage][key / kBlockKeys][(is_value ? kBlockKeys : 0) + key % kBlockKeys],
        scales + (vector < 0 ? 0 : vector), vector >= 0);
  }
}

// Makes the stage's bytes f16.
template <typename T, typename G>
__device__ void widen_tile(Shared<T, G>& shared, int stage, int target) {
  constexpr int kChunksOfHalf = kTileKeys * T::kChunks;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int i = static_cast<int>(threadIdx.x); i < kChunksOfHalf; i += G::kThreads) {
      const auto bytes = reinterpret_cast<const uint4*>(shared.ring[stage][half])[i];
      const uint32_t words[4] = {bytes.x, bytes.y, bytes.z, bytes.w};
      uint32_t wide[8];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        widen_four(words[k], typename T::Cache{}, wide[2 * k], wide[2 * k + 1]);
      }
      char* tile = shared.wide[target][half];
      const int key = i / T::kChunks;
      const int chunk = i % T::kChunks * 2;
      *reinterpret_cast<uint4*>(tile + WideTile<T::kDim>::offset(key, chunk)) =
          uint4{wide[0], wide[1], wide[2], wide[3]};
      *reinterpret_cast<uint4*>(tile + WideTile<T::kDim>::offset(key, chunk + 1)) =
          uint4{wide[4], wide[5], wide[6], wide[7]};
    }
  }
}

// Starts scores = q k^T.
template <typename T>
__device__ void start_scores(float (&scores)[8][4], const uint32_t (&q)[T::kDim / 16][4],
                             uint32_t keys) {
  start_products();
#pragma unroll
  for (int step = 0; step < T::kDim / 16; ++step) {
    const uint32_t at = keys + step / 4 * WideTile<T::kDim>::kPartBytes + step % 4 * 32;
    multiply_group<typename T::Math, false>(scores, q[step], swizzled_matrix(at, 16), step > 0);
  }
  end_products();
}

// Starts totals += weights v.
template <typename T>
__device__ void start_values(float (&totals)[T::kDim / 8][4], const uint32_t (&weights)[4][4],
                             uint32_t values) {
  start_products();
#pragma unroll
  for (int block = 0; block < 4; ++block) {
    multiply_group<typename T::Math, true>(
        totals, weights[block],
        swizzled_matrix(values + block * kBlockKeys * 128, WideTile<T::kDim>::kPartBytes), true);
  }
  end_products();
}

template <typename X, typename T, typename G>
__device__ void attend_tile(const AttentionTask& task, const Work& work, Shared<T, G>& shared) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int num_tiles = (visible(task, work, work.num_queries - 1) + kTileKeys - 1) / kTileKeys;
  const auto vector_of = [&](int tile) {
    return cache_vector(task, work.table, work.kv_head,
                        tile * kTileKeys + warp * kWarpKeys<G> + lane % kWarpKeys<G>,
                        work.context_len);
  };
  int vector = vector_of(0);
  // The block table is read one tile before its keys, so that nothing waits for it.
  const auto start_tile = [&](int tile) {
    if (tile < num_tiles) {
      start_keys<T, G>(task, shared, tile % G::kStages, vector);
      if (tile + 1 < num_tiles) vector = vector_of(tile + 1);
    }
    end_copy_group();
  };
  const auto base_of = [&](int tile, int half) {
    return shared_address(T::kIsByte ? shared.wide[tile % (T::kIsByte ? 2 : 1)][half]
                                     : shared.ring[tile % G::kStages][half]);
  };
  // Called by all when the tile's copies have ended and nobody multiplies the one before last.
  const auto publish = [&](int tile) {
    if constexpr (T::kIsByte) {
      __syncthreads();
      if (tile < num_tiles) widen_tile<T, G>(shared, tile % G::kStages, tile % 2);
    }
    show_to_products();
    __syncthreads();
  };
#pragma unroll 1
  for (int i = 0; i < G::kStages - 1; ++i) start_tile(i);
  const int first_query = warp * 16;
  uint32_t q[T::kDim / 16][4];
  load_queries<X, T>(task, work, first_query, q);
  const int limits[2] = {visible(task, work, first_query + lane / 4),
                         visible(task, work, first_query + lane / 4 + 8)};
  // What any row of the group sees.
  const int group_end = (warp / kGroupWarps + 1) * kGroupRows;
  const int most = first_query / kGroupRows * kGroupRows >= work.num_queries
                       ? 0
                       : visible(task, work, min(group_end, work.num_queries) - 1);
  RowSums<T, 2> rows;
  rows.clear();
  const float log2_scale = task.scale * 1.44269504F;
  float scores[8][4];
  wait_copy_groups<G::kStages - 2>();
  publish(0);
  if (most > 0) {
    start_scores<T>(scores, q, base_of(0, 0));
    wait_products();
  }
#pragma unroll 1
  for (int tile = 0; tile < num_tiles; ++tile) {
    wait_copy_groups<G::kStages - 3>();
    publish(tile + 1);
    start_tile(tile + G::kStages - 1);
    if (tile * kTileKeys >= most) continue;
    float next_scores[8][4];
    // Past the last tile there are the keys of another, whose scores nobody uses.
    start_scores<T>(next_scores, q, base_of(tile + 1, 0));
    uint32_t weights[4][4];
    rows.template soften<4>(scores, reinterpret_cast<const char*>(shared.scales[tile % G::kStages]),
                            2 * kBlockKeys * 4, tile * kTileKeys, limits, log2_scale, weights);
    start_values<T>(rows.totals, weights, base_of(tile, 1));
    wait_products();
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) scores[n][e] = next_scores[n][e];
    }
  }
  store_rows<X, T>(task, work, rows, first_query);
}

template <typename X, typename T, typename G>
__global__ void __launch_bounds__(G::kThreads, 1) hopper_prefill_kernel(AttentionTask task) {
  extern __shared__ char shared_bytes[];
  // Swizzling follows the address, so the tiles must be aligned to its period.
  const uint32_t misalignment = shared_address(shared_bytes) % 1024;
  auto& shared = *reinterpret_cast<Shared<T, G>*>(shared_bytes + (1024 - misalignment) % 1024);
  wait_for_predecessor();
  let_successor_start();
  const QueryTile tile = find_query_tile<G::kTileQueries>(task, static_cast<int>(blockIdx.y));
  if (tile.tile < 0) return;
  const Work work = work_of<G::kTileQueries>(task, tile);
  if constexpr (kHasWgmma) attend_tile<X, T, G>(task, work, shared);
}

template <typename X, typename T, typename G>
void prefill_in_groups(const AttentionTask& task, const CudaQueue& queue) {
  launch(queue, "paged_attention (prefill)",
         {.grid = dim3(static_cast<unsigned>(task.num_kv_heads),
                       max_query_tiles(task, G::kTileQueries)),
          .block = G::kThreads,
          .shared_bytes = sizeof(Shared<T, G>) + 1024},
         Overlap::kWithPredecessor, hopper_prefill_kernel<X, T, G>, task);
}

template <typename X, typename T>
void prefill(const AttentionTask& task, const CudaQueue& queue) {
  // Bytes leave no shared memory for a second block.
  if constexpr (!T::kIsByte) {
    if (task.max_query_rows * (task.num_heads / task.num_kv_heads) <= kGroupRows) {
      return prefill_in_groups<X, T, Groups<1>>(task, queue);
    }
  }
  prefill_in_groups<X, T, Groups<2>>(task, queue);
}

template <typename X, typename Cache>
void prefill_by_dim(const AttentionTask& task, const CudaQueue& queue) {
  if (task.head_dim == 128) return prefill<X, Tiles<Cache, 128>>(task, queue);
  prefill<X, Tiles<Cache, 64>>(task, queue);
}

template <typename X>
void prefill_bytes(const AttentionTask& task, const CudaQueue& queue) {
  if (task.cache_type == Element::kI8) return prefill_by_dim<X, int8_t>(task, queue);
  prefill_by_dim<X, __nv_fp8_e4m3>(task, queue);
}

}  // namespace

void hopper_prefill_attention(const AttentionTask& task, const CudaQueue& queue) {
  if (task.cache_type == Element::kBF16) {
    return prefill_by_dim<__nv_bfloat16, __nv_bfloat16>(task, queue);
  }
  if (task.cache_type == Element::kF16) return prefill_by_dim<__half, __half>(task, queue);
  if (task.activation_type == Element::kF16) return prefill_bytes<__half>(task, queue);
  prefill_bytes<__nv_bfloat16>(task, queue);
}

}  // namespace fathom::kernels::cuda
