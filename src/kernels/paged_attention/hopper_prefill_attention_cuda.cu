// Attention of sequences with many rows for sm_90a: 128 query vectors times 64 keys by wgmma.
//
// As prefill_attention_cuda.cu, but two groups of four warps have 64 rows each, and a third group
// copies the keys that both multiply straight from shared memory; 8-bit keys and values it makes
// f16 on the way. Groups wait for each other by barriers of the stages alone, so that one's
// products run while the other computes weights; and in a group, the products of the last values
// run while the weights of the next are computed.
#include "kernels/paged_attention/attention_cuda.h"
#include "kernels/paged_attention/attention_tiles.cuh"
#include "kernels/paged_attention/query_tiles.cuh"
#include "kernels/paged_attention/wgmma.cuh"
#include "kernels/paged_attention/with_tiles.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kGroupWarps = 4;
constexpr int kGroupRows = kGroupWarps * 16;
constexpr int kTileKeys = 64;

// A block of one or two groups of warps with rows. One is for few rows, as in decode steps, where
// two blocks on a multiprocessor keep more loads under way. Their arithmetic is the same.
template <int kNumGroups>
struct Groups {
  static constexpr int kConsumers = kNumGroups * kGroupWarps;  // warps
  static constexpr int kThreads = (kConsumers + kGroupWarps) * kWarpThreads;
  static constexpr int kTileQueries = kNumGroups * kGroupRows;
  static constexpr int kBlocks = kNumGroups == 1 ? 2 : 1;  // on a multiprocessor
  static constexpr int kStages = kNumGroups == 1 ? 3 : 6;
  static constexpr int kByteStages = 4;  // of bytes on the way to f16
  // Tiles whose copies are under way: a consumer releases a tile only when the next is there.
  static constexpr int kAhead = kNumGroups == 1 ? 1 : 3;
  static constexpr int kConsumerRegisters = kNumGroups == 1 ? 208 : 224;
  static constexpr int kProducerRegisters = kNumGroups == 1 ? 40 : 56;
};

// Keys that a warp copies.
constexpr int kWarpKeys = kTileKeys / kGroupWarps;

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
  static constexpr int kStages = T::kIsByte ? 4 : G::kStages;
  static constexpr int kAhead = T::kIsByte ? G::kByteStages - 1 : G::kAhead;
  static constexpr int kScaleStages = T::kHasScales ? 8 : 1;
  alignas(1024) char tiles[kStages][2][WideTile<T::kDim>::kBytes];
  char bytes[T::kIsByte ? G::kByteStages : 1][2][T::kIsByte ? kTileKeys * T::kRowBytes : 16];
  float scales[kScaleStages][kTileKeys / kBlockKeys][2 * kBlockKeys];
  uint64_t full[kStages];
  uint64_t empty[kStages];
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

// Starts the copies of a warp's keys and values to the stage of a tile, by its number of all that
// the block has. Each lane holds the vector of key lane % 16.
template <typename T, typename G>
__device__ void start_keys(const AttentionTask& task, Shared<T, G>& shared, int tile, int vector) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads % kGroupWarps;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const char* halves[2] = {static_cast<const char*>(task.keys),
                           static_cast<const char*>(task.values)};
  constexpr int kCopies = kWarpKeys * T::kChunks / kWarpThreads;
#pragma unroll
  for (int i = 0; i < kCopies; ++i) {
    const int own_key = (i * kWarpThreads + lane) / T::kChunks;
    const int key = warp * kWarpKeys + own_key;
    const int chunk = lane % T::kChunks;
    const int from = __shfl_sync(0xFFFFFFFFU, vector, own_key);
    const int64_t at = static_cast<int64_t>(from < 0 ? 0 : from) * T::kRowBytes + chunk * 16;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      char* target =
          T::kIsByte ? shared.bytes[tile % G::kByteStages][half] + key * T::kRowBytes + chunk * 16
                     : shared.tiles[tile % Shared<T, G>::kStages][half] +
                           WideTile<T::kDim>::offset(key, chunk);
      start_copy<16>(target, halves[half] + at, from >= 0);
    }
  }
  if constexpr (T::kHasScales) {
    const float* scales = lane < kBlockKeys ? task.key_scales : task.value_scales;
    start_copy<4>(&shared.scales[tile % Shared<T, G>::kScaleStages][warp][lane],
                  scales + (vector < 0 ? 0 : vector), vector >= 0);
  }
}

// Makes the bytes of the warp's keys f16.
template <typename T, typename G>
__device__ void widen_keys(Shared<T, G>& shared, int tile) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads % kGroupWarps;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  constexpr int kCopies = kWarpKeys * T::kChunks / kWarpThreads;
#pragma unroll
  for (int i = 0; i < 2 * kCopies; ++i) {
    const int half = i / kCopies;
    const int at = warp * kWarpKeys * T::kChunks + i % kCopies * kWarpThreads + lane;
    const auto bytes =
        reinterpret_cast<const uint4*>(shared.bytes[tile % G::kByteStages][half])[at];
    const uint32_t words[4] = {bytes.x, bytes.y, bytes.z, bytes.w};
    uint32_t wide[8];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      widen_four(words[k], typename T::Cache{}, wide[2 * k], wide[2 * k + 1]);
    }
    char* target = shared.tiles[tile % Shared<T, G>::kStages][half];
    const int key = at / T::kChunks;
    const int chunk = at % T::kChunks * 2;
    *reinterpret_cast<uint4*>(target + WideTile<T::kDim>::offset(key, chunk)) =
        uint4{wide[0], wide[1], wide[2], wide[3]};
    *reinterpret_cast<uint4*>(target + WideTile<T::kDim>::offset(key, chunk + 1)) =
        uint4{wide[4], wide[5], wide[6], wide[7]};
  }
}

// The copying group: a warp has a quarter of each tile.
template <typename T, typename G>
__device__ void copy_tiles(const AttentionTask& task, const Work& work, Shared<T, G>& shared,
                           int num_tiles, int before) {
  constexpr int kStages = Shared<T, G>::kStages;
  constexpr int kAhead = Shared<T, G>::kAhead;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads % kGroupWarps;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const auto vector_of = [&](int tile) {
    return cache_vector(task, work.table, work.kv_head,
                        tile * kTileKeys + warp * kWarpKeys + lane % kWarpKeys, work.context_len);
  };
  const auto wait_empty = [&](int number) {
    if (number >= kStages) {
      wait_for_phase(&shared.empty[number % kStages], (number / kStages - 1) & 1);
    }
  };
  int vector = vector_of(0);
#pragma unroll 1
  for (int tile = 0; tile < num_tiles + kAhead; ++tile) {
    if (tile < num_tiles) {
      if constexpr (!T::kIsByte) wait_empty(before + tile);
      // The block table is read one tile before its keys, so that nothing waits for it.
      const int next = tile + 1 < num_tiles ? vector_of(tile + 1) : 0;
      start_keys<T, G>(task, shared, before + tile, vector);
      vector = next;
    }
    end_copy_group();
    if (tile < kAhead) continue;
    const int copied = before + tile - kAhead;
    wait_copy_groups<kAhead>();
    if constexpr (T::kIsByte) {
      wait_empty(copied);
      __syncwarp();
      widen_keys<T, G>(shared, copied);
    }
    show_to_products();
    __syncwarp();
    if (lane == 0) arrive(&shared.full[copied % kStages]);
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

// A group with rows.
template <typename X, typename T, typename G>
__device__ void attend_tiles(const AttentionTask& task, const Work& work, Shared<T, G>& shared,
                             int num_tiles, int before) {
  constexpr int kStages = Shared<T, G>::kStages;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int first_query = warp * 16;
  const int group_first = warp / kGroupWarps * kGroupRows;
  uint32_t q[T::kDim / 16][4];
  load_queries<X, T>(task, work, first_query, q);
  const int limits[2] = {visible(task, work, first_query + lane / 4),
                         visible(task, work, first_query + lane / 4 + 8)};
  // Tiles that any row of the group sees.
  const int own_tiles =
      group_first >= work.num_queries
          ? 0
          : (visible(task, work, min(group_first + kGroupRows, work.num_queries) - 1) + kTileKeys -
             1) /
                kTileKeys;
  const auto wait_full = [&](int tile) {
    wait_for_phase(&shared.full[(before + tile) % kStages], ((before + tile) / kStages) & 1);
  };
  const auto release = [&](int tile) {
    if (lane == 0) arrive(&shared.empty[(before + tile) % kStages]);
  };
  const auto base_of = [&](int tile, int half) {
    return shared_address(shared.tiles[(before + tile) % kStages][half]);
  };
  RowSums<T, 2> rows;
  rows.clear();
  const float log2_scale = task.scale * 1.44269504F;
  float scores[8][4];
  float factors[2];
  uint32_t weights[4][4];
  const auto weigh = [&](int tile) {
    const auto& scales = shared.scales[(before + tile) % Shared<T, G>::kScaleStages];
    rows.template weigh<4>(scores, reinterpret_cast<const char*>(scales), 2 * kBlockKeys * 4,
                           tile * kTileKeys, limits, log2_scale, factors);
  };
  if (own_tiles > 0) {
    wait_full(0);
    start_scores<T>(scores, q, base_of(0, 0));
    wait_products<0>();
    weigh(0);
    rows.template pack<4>(scores, weights);
#pragma unroll 1
    for (int tile = 0; tile < own_tiles - 1; ++tile) {
      wait_full(tile + 1);
      start_scores<T>(scores, q, base_of(tile + 1, 0));
      start_values<T>(rows.totals, weights, base_of(tile, 1));
      wait_products<1>();
      weigh(tile + 1);
      wait_products<0>();
      release(tile);
      rows.rescale(factors);
      rows.template pack<4>(scores, weights);
    }
    start_values<T>(rows.totals, weights, base_of(own_tiles - 1, 1));
    wait_products<0>();
    release(own_tiles - 1);
  }
#pragma unroll 1
  for (int tile = own_tiles; tile < num_tiles; ++tile) {
    wait_full(tile);
    release(tile);
  }
  store_rows<X, T>(task, work, rows, first_query);
}

// Calls attend(work, its tiles of keys, tiles of keys before it) for the block's query tiles: one
// of each round over the grid, which turns back each time, as works get shorter.
template <typename G, typename Attend>
__device__ void for_query_tiles(const AttentionTask& task, int num_works, Attend&& attend) {
  const auto num_blocks = static_cast<int>(gridDim.x);
  const auto block = static_cast<int>(blockIdx.x);
  const auto kv_heads = static_cast<int>(task.num_kv_heads);
  int before = 0;
#pragma unroll 1
  for (int round = 0; round * num_blocks < num_works; ++round) {
    const int index = round * num_blocks + (round % 2 == 0 ? block : num_blocks - 1 - block);
    if (index >= num_works) continue;
    const QueryTile query_tile = find_query_tile<G::kTileQueries>(task, index / kv_heads);
    if (query_tile.tile < 0) continue;
    const Work work = work_of<G::kTileQueries>(task, query_tile, index % kv_heads);
    const int num_tiles = (visible(task, work, work.num_queries - 1) + kTileKeys - 1) / kTileKeys;
    attend(work, num_tiles, before);
    before += num_tiles;
  }
}

template <typename X, typename T, typename G>
__global__ void __launch_bounds__(G::kThreads, G::kBlocks)
    hopper_prefill_kernel(AttentionTask task, int num_works) {
  extern __shared__ char shared_bytes[];
  // Swizzling follows the address, so the tiles must be aligned to its period.
  const uint32_t misalignment = shared_address(shared_bytes) % 1024;
  auto& shared = *reinterpret_cast<Shared<T, G>*>(shared_bytes + (1024 - misalignment) % 1024);
  if (threadIdx.x == 0) {
    for (auto& barrier : shared.full) init_barrier(&barrier, kGroupWarps);
    for (auto& barrier : shared.empty) init_barrier(&barrier, G::kConsumers);
  }
  wait_for_predecessor();
  let_successor_start();
  __syncthreads();
  if (kHasWgmma) {  // a constant, so that elsewhere nothing is left of it
    if (threadIdx.x >= G::kConsumers * kWarpThreads) {
      release_registers<G::kProducerRegisters>();
      for_query_tiles<G>(task, num_works, [&](const Work& work, int num_tiles, int before) {
        copy_tiles<T, G>(task, work, shared, num_tiles, before);
      });
    } else {
      take_registers<G::kConsumerRegisters>();
      for_query_tiles<G>(task, num_works, [&](const Work& work, int num_tiles, int before) {
        attend_tiles<X, T, G>(task, work, shared, num_tiles, before);
      });
    }
  }
}

template <typename X, typename T, typename G>
void prefill_in_groups(const AttentionTask& task, const CudaQueue& queue) {
  const int64_t num_works = task.num_kv_heads * max_query_tiles(task, G::kTileQueries);
  const int64_t at_once = queue.num_multiprocessors * G::kBlocks;
  launch(queue, "paged_attention (prefill)",
         {.grid = static_cast<unsigned>(num_works < at_once ? num_works : at_once),
          .block = G::kThreads,
          .shared_bytes = sizeof(Shared<T, G>) + 1024},
         Overlap::kWithPredecessor, hopper_prefill_kernel<X, T, G>, task,
         static_cast<int>(num_works));
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

}  // namespace

void hopper_prefill_attention(const AttentionTask& task, const CudaQueue& queue) {
  with_tiles(task, [&]<typename X, typename T>() { prefill<X, T>(task, queue); });
}

}  // namespace fathom::kernels::cuda
