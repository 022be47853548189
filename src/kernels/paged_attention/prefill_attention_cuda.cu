// Attention of sequences with many rows: tiles of 128 query vectors times 64 keys in the tensor
// cores, with the online softmax of arXiv:2307.08691.
//
// A query vector is a row times a head of a KV head's group, so a group's heads share its keys. A
// row's arithmetic follows from its position alone: keys in tiles of 64 from position 0.
#include "kernels/paged_attention/attention_cuda.h"
#include "kernels/paged_attention/attention_tiles.cuh"
#include "kernels/paged_attention/query_tiles.cuh"
#include "kernels/paged_attention/with_tiles.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpThreads;
constexpr int kRows = 2;  // row tiles of 16 in a warp: they share the keys' registers
constexpr int kTileQueries = kWarps * kRows * 16;
constexpr int kTileBlocks = kWarps;  // each warp copies one block of 16 keys
constexpr int kTileKeys = kTileBlocks * kBlockKeys;

__host__ __device__ constexpr int num_stages(int architecture) { return architecture < 80 ? 1 : 2; }

#if defined(__CUDA_ARCH__)
constexpr int kStages = num_stages(__CUDA_ARCH__ / 10);
#else
constexpr int kStages = 2;
#endif

template <typename T>
struct Shared {
  alignas(128) char queries[kTileQueries * T::kDim * 2];
  char ring[kStages][kTileBlocks][T::kBlockBytes];
};

// Queries lie as 16-bit rows of swizzled chunks, in the order that the keys' dimensions are taken.
template <typename T>
using QueryTiles = Tiles<typename T::Math, T::kDim>;

template <typename X, typename T>
__device__ void load_queries(const AttentionTask& task, const Work& work, char* queries) {
  constexpr int kPairs = T::kDim / 2;
#pragma unroll 8
  for (int i = static_cast<int>(threadIdx.x); i < kTileQueries * kPairs; i += kThreads) {
    const int row = i / kPairs;
    const int dim = i % kPairs * 2;
    // Where the dimension is taken: the inverse of Tiles::query_dim.
    const int within = dim % 16;
    const int at = dim - within + (T::kIsByte ? within / 4 * 2 + within / 2 % 2 * 8 : within);
    uint32_t pair = 0;
    if (row < work.num_queries) {
      pair = load_pair<typename T::Math>(static_cast<const X*>(task.q) +
                                         query_offset(task, work, row) + dim);
    }
    *reinterpret_cast<uint32_t*>(queries + QueryTiles<T>::offset(row, at / 8) + at % 8 * 2) = pair;
  }
}

template <typename T>
__device__ void load_query_fragment(uint32_t queries, int step, uint32_t (&a)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  load_matrices(a, queries + QueryTiles<T>::offset(lane % 16, 2 * step + lane / 16));
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
    X* y = static_cast<X*>(task.y) + query_offset(task, work, query);
#pragma unroll
    for (int n = 0; n < T::kDim / 8; n += 2) {
      float values[4];
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        values[e] = __fmul_rn(rows.totals[n + e / 2][upper * 2 + e % 2], scale);
      }
      // In order of dimension: see Tiles::value_dim.
      X* target = y + n * 8;
      if constexpr (T::kIsByte) {
        *reinterpret_cast<uint2*>(target + lane % 4 * 4) =
            uint2{packed<X>(values[0], values[2]), packed<X>(values[1], values[3])};
      } else {
        *reinterpret_cast<uint32_t*>(target + lane % 4 * 2) = packed<X>(values[0], values[1]);
        *reinterpret_cast<uint32_t*>(target + 8 + lane % 4 * 2) = packed<X>(values[2], values[3]);
      }
    }
  }
}

template <typename X, typename T>
__global__ void __launch_bounds__(kThreads, 2) prefill_kernel(AttentionTask task) {
  extern __shared__ char shared_bytes[];
  auto& shared = *reinterpret_cast<Shared<T>*>(shared_bytes);
  wait_for_predecessor();
  let_successor_start();
  const QueryTile tile = find_query_tile<kTileQueries>(task, static_cast<int>(blockIdx.y));
  if (tile.tile < 0) return;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const Work work = work_of<kTileQueries>(task, tile, static_cast<int>(blockIdx.x));
  const int num_tiles = (visible(task, work, work.num_queries - 1) + kTileKeys - 1) / kTileKeys;
  const auto vector_of = [&](int key_tile) {
    return cache_vector(task, work.table, work.kv_head,
                        key_tile * kTileKeys + warp * kBlockKeys + lane % kBlockKeys,
                        work.context_len);
  };
  int vector = vector_of(0);
  const auto start_tile = [&](int key_tile) {
    if (key_tile < num_tiles) {
      T::start_block(task, shared.ring[key_tile % kStages][warp], vector);
      if (key_tile + 1 < num_tiles) vector = vector_of(key_tile + 1);
    }
    end_copy_group();
  };
  if (kStages > 1) start_tile(0);
  load_queries<X, T>(task, work, shared.queries);
  // Row tiles go to the warps in turn, so that all have the like to do.
  const auto first_of = [&](int row) { return (row * kWarps + warp) * 16; };
  RowSums<T, 2> rows[kRows];
  int limits[kRows][2];
  int most[kRows];
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    rows[row].clear();
    limits[row][0] = visible(task, work, first_of(row) + lane / 4);
    limits[row][1] = visible(task, work, first_of(row) + lane / 4 + 8);
    most[row] = visible(task, work, min(first_of(row) + 15, work.num_queries - 1));
    if (first_of(row) >= work.num_queries) most[row] = 0;
  }
  const uint32_t queries = shared_address(shared.queries);
  const auto query = [&](int row, int step, uint32_t(&a)[4]) {
    load_query_fragment<T>(queries + first_of(row) * T::kDim * 2, step, a);
  };
  const float log2_scale = task.scale * 1.44269504F;
#pragma unroll 1
  for (int key_tile = 0; key_tile < num_tiles; ++key_tile) {
    start_tile(kStages > 1 ? key_tile + 1 : key_tile);
    wait_copy_groups<kStages - 1>();
    __syncthreads();
    const int first = key_tile * kTileKeys;
    const char* keys = shared.ring[key_tile % kStages][0];
    // A tile past what the rows see would change nothing.
    if (first < most[1]) {
      attend<T, kRows, kTileBlocks, 2>(rows, keys, first, limits, log2_scale, query);
    } else if (first < most[0]) {
      attend<T, 1, kTileBlocks, 2>(rows, keys, first, limits, log2_scale, query);
    }
    __syncthreads();
  }
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    store_rows<X, T>(task, work, rows[row], first_of(row));
  }
}

template <typename X, typename T>
void prefill(const AttentionTask& task, const CudaQueue& queue) {
  const size_t shared_bytes =
      sizeof(Shared<T>) -
      static_cast<size_t>(kStages - num_stages(queue.architecture)) * kTileBlocks * T::kBlockBytes;
  launch(
      queue, "paged_attention (prefill)",
      {.grid = dim3(static_cast<unsigned>(task.num_kv_heads), max_query_tiles(task, kTileQueries)),
       .block = kThreads,
       .shared_bytes = shared_bytes},
      Overlap::kWithPredecessor, prefill_kernel<X, T>, task);
}

}  // namespace

void prefill_attention(const AttentionTask& task, const CudaQueue& queue) {
  with_tiles(task, [&]<typename X, typename T>() { prefill<X, T>(task, queue); });
}

}  // namespace fathom::kernels::cuda
