// The streaming kernel of linear, for up to 128 tokens: about one block a multiprocessor, each with
// an equal share of W, which arrives in a ring of stages in shared memory far ahead of its use.
//
// W is cut into tiles of 128 rows, and those into chunks of 128 bytes a row. The chunks of all
// tiles, one tile after another, are dealt to the blocks in equal spans. Where a tile falls into
// several spans, its parts' sums meet in the workspace, and whoever comes last adds them in the
// order of `in`. Which part is whose follows from W's shape and the number of blocks, so the order
// of an output's sum does, too.
#pragma once

#include "kernels/linear/linear_mma.cuh"

namespace fathom::kernels::cuda {

inline constexpr int kTileRows = 128;
inline constexpr int kStreamWarps = 8;
inline constexpr int kStreamThreads = kStreamWarps * kWarpThreads;
inline constexpr int kMaxColumns = static_cast<int>(kMaxStreamTokens) / 8;

// Where parts of tiles meet; null pointers where every tile has one block for itself.
struct StreamMeeting {
  float4* sums = nullptr;        // [2 * blocks, columns, kStreamThreads]
  unsigned* arrivals = nullptr;  // [tiles], zero before and after
};

// kColumns groups of 8 tokens. A warp has kRowTiles times 16 rows, of all tokens or of one in
// kRowTiles of them.
template <typename XType, typename WType, int kColumnCount, int kStageCount, int kRowTileCount = 1>
struct StreamShape {
  using X = XType;
  using W = WType;
  using Units = Fragments<X, W>;
  static constexpr int kColumns = kColumnCount;
  static constexpr int kStages = kStageCount;
  static constexpr int kRowTiles = kRowTileCount;
  static constexpr int kRowWarps = kTileRows / 16 / kRowTiles;
  static constexpr int kWarpColumns = kColumns / kRowTiles;
  static constexpr int kWUnits = kTileRows * kChunkUnits;
  static constexpr int kXUnits = 8 * kColumns * Units::kChunkXUnits;
  static constexpr int kStageUnits = kWUnits + kXUnits;
  static constexpr int kSharedBytes = kStages * kStageUnits * 16;
  // Of a multiprocessor of sm_90: its own and the successor's, where registers allow.
  static constexpr int kMinBlocks = kColumns <= 8 ? 2 : 1;
  using Sums = float[kRowTiles][kWarpColumns][4];

  // Of this thread's first element.
  __device__ static int first_row() {
    return warp() % kRowWarps * kRowTiles * 16 + static_cast<int>(threadIdx.x) % kWarpThreads / 4;
  }
  __device__ static int first_column() { return warp() / kRowWarps * kWarpColumns; }

 private:
  __device__ static int warp() { return static_cast<int>(threadIdx.x) / kWarpThreads; }
};

// A chunk of a tile.
struct ChunkPlace {
  int tile = 0;
  int chunk = 0;

  __device__ void advance(int num_chunks) {
    if (++chunk < num_chunks) return;
    chunk = 0;
    ++tile;
  }
};

// Equal spans of `count` chunks over the grid's blocks.
class Spans {
 public:
  __device__ explicit Spans(int64_t count) : count_(count) {}
  __device__ int64_t first(int64_t block) const { return count_ * block / gridDim.x; }
  __device__ int block_of(int64_t chunk) const {
    return static_cast<int>(((chunk + 1) * gridDim.x - 1) / count_);
  }

 private:
  int64_t count_;
};

template <typename S>
__device__ inline void copy_w(const LinearTask& task, uint4* stage, ChunkPlace place) {
  constexpr int kRowStep = kStreamThreads / kChunkUnits;
  const int unit = static_cast<int>(threadIdx.x) % kChunkUnits;
  const int64_t row_bytes = task.in * static_cast<int64_t>(sizeof(typename S::W));
  const int64_t offset = static_cast<int64_t>(place.chunk) * kChunkBytes + unit * 16;
  const int64_t first_row = static_cast<int64_t>(place.tile) * kTileRows;
#pragma unroll
  for (int i = 0; i < S::kWUnits / kStreamThreads; ++i) {
    const int row = static_cast<int>(threadIdx.x) / kChunkUnits + i * kRowStep;
    const bool is_real = offset < row_bytes && first_row + row < task.out;
    copy_async(
        stage + row * kChunkUnits + S::Units::w_place(row, unit),
        static_cast<const char*>(task.w) + (is_real ? (first_row + row) * row_bytes + offset : 0),
        is_real);
  }
}

template <typename S>
__device__ inline void copy_x(const LinearTask& task, uint4* stage, ChunkPlace place) {
  constexpr int kUnits = S::Units::kChunkXUnits;
  const int64_t row_bytes = task.in * static_cast<int64_t>(sizeof(typename S::X));
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < S::kXUnits; i += kStreamThreads) {
    const int token = i / kUnits;
    const int unit = i % kUnits;
    if (token >= task.num_tokens) break;  // columns of no token may hold anything
    const int64_t offset = (static_cast<int64_t>(place.chunk) * kUnits + unit) * 16;
    const bool is_real = offset < row_bytes;
    copy_async(stage + S::kWUnits + token * kUnits + S::Units::x_place(token, unit),
               static_cast<const char*>(task.x) + (is_real ? token * row_bytes + offset : 0),
               is_real);
  }
}

// A warp's rows and tokens of a stage.
template <typename S>
__device__ inline void multiply_stage(const uint4* stage, typename S::Sums& sums) {
  using Units = typename S::Units;
  constexpr int kPerW = Units::kXUnitsPerWUnit;
  const int group = static_cast<int>(threadIdx.x) % kWarpThreads / 4;
  const uint4* const x = stage + S::kWUnits;
#pragma unroll
  for (int half = 0; half < kChunkUnits / 4; ++half) {
    const int unit = half * 4 + static_cast<int>(threadIdx.x) % 4;
    uint4 x_units[S::kWarpColumns][kPerW];
#pragma unroll
    for (int column = 0; column < S::kWarpColumns; ++column) {
#pragma unroll
      for (int i = 0; i < kPerW; ++i) {
        const int token = (S::first_column() + column) * 8 + group;
        x_units[column][i] =
            x[token * Units::kChunkXUnits + Units::x_place(token, unit * kPerW + i)];
      }
    }
#pragma unroll
    for (int tile = 0; tile < S::kRowTiles; ++tile) {
      const int row = S::first_row() + tile * 16;
      const uint4* const w = stage + row * kChunkUnits + Units::w_place(row, unit);
      multiply_units<typename S::X, typename S::W, S::kWarpColumns>(sums[tile], w[0],
                                                                    w[8 * kChunkUnits], x_units);
    }
  }
}

template <typename S>
__device__ inline void store_tile(const LinearTask& task, int tile, const typename S::Sums& sums) {
  const int64_t first_row = static_cast<int64_t>(tile) * kTileRows + S::first_row();
  const int first_token = S::first_column() * 8 + static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int row_tile = 0; row_tile < S::kRowTiles; ++row_tile) {
#pragma unroll
    for (int column = 0; column < S::kWarpColumns; ++column) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t row = first_row + row_tile * 16 + i / 2 * 8;
        const int token = first_token + column * 8 + i % 2;
        if (row < task.out && token < task.num_tokens) {
          store_sum(task, token, row, sums[row_tile][column][i]);
        }
      }
    }
  }
}

// Calls body(sums, i) for each of a thread's kColumns groups of four sums.
template <typename S, typename Body>
__device__ inline void for_each_sums(typename S::Sums& sums, Body&& body) {
#pragma unroll
  for (int tile = 0; tile < S::kRowTiles; ++tile) {
#pragma unroll
    for (int column = 0; column < S::kWarpColumns; ++column) {
      body(sums[tile][column], tile * S::kWarpColumns + column);
    }
  }
}

template <typename S>
__device__ inline void clear(typename S::Sums& sums) {
  for_each_sums<S>(sums, [](float(&four)[4], int) { four[0] = four[1] = four[2] = four[3] = 0; });
}

// Leaves this block's part of a tile at the meeting; the last to come stores the tile.
template <typename S>
__device__ inline void meet(const LinearTask& task, const StreamMeeting& meeting,
                            const Spans& spans, int tile, int num_chunks,
                            typename S::Sums& sums) {
  __shared__ bool is_last;
  const int64_t first_chunk = static_cast<int64_t>(tile) * num_chunks;
  const int first_block = spans.block_of(first_chunk);
  const int last_block = spans.block_of(first_chunk + num_chunks - 1);
  // A block has at most two parts: one at its span's start, one at its end.
  const auto place = [&](int block) {
    const int part = spans.first(block) >= first_chunk ? 0 : 1;
    return meeting.sums + (static_cast<int64_t>(2 * block) + part) * S::kColumns * kStreamThreads +
           threadIdx.x;
  };
  float4* const own = place(static_cast<int>(blockIdx.x));
  for_each_sums<S>(sums, [own](const float(&four)[4], int i) {
    own[i * kStreamThreads] = make_float4(four[0], four[1], four[2], four[3]);
  });
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    is_last =
        atomicAdd(meeting.arrivals + tile, 1U) == static_cast<unsigned>(last_block - first_block);
    if (is_last) meeting.arrivals[tile] = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  clear<S>(sums);
  for (int block = first_block; block <= last_block; ++block) {
    const float4* const part = place(block);
    for_each_sums<S>(sums, [part](float(&four)[4], int i) {
      const float4 sum = __ldcg(part + i * kStreamThreads);
      four[0] = __fadd_rn(four[0], sum.x);
      four[1] = __fadd_rn(four[1], sum.y);
      four[2] = __fadd_rn(four[2], sum.z);
      four[3] = __fadd_rn(four[3], sum.w);
    });
  }
  store_tile<S>(task, tile, sums);
}

// Asks the second-level cache for what follows the ring: memory has nothing else to do while the
// predecessor ends.
template <int kAheadChunks>
__device__ inline void prefetch_w(const LinearTask& task, ChunkPlace place, int64_t row_bytes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  const int64_t row = static_cast<int64_t>(place.tile) * kTileRows + threadIdx.x;
  const int64_t offset = static_cast<int64_t>(place.chunk) * kChunkBytes;
  const int64_t rest = row_bytes - offset;
  const auto bytes =
      static_cast<uint32_t>(rest < kAheadChunks * kChunkBytes ? rest : kAheadChunks * kChunkBytes);
  if (threadIdx.x >= kTileRows || row >= task.out || rest <= 0) return;
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(static_cast<const char*>(task.w) +
                                                                  row * row_bytes + offset),
               "r"(bytes)
               : "memory");
#endif
}

template <typename S, int kAheadChunks>
__global__ void __launch_bounds__(kStreamThreads, S::kMinBlocks)
    linear_stream_tiles(const __grid_constant__ LinearTask task, const StreamMeeting meeting) {
  extern __shared__ uint4 ring[];
  let_successor_start();
  const int num_chunks = static_cast<int>((task.in + S::Units::kChunkIn - 1) / S::Units::kChunkIn);
  const int64_t num_tiles = (task.out + kTileRows - 1) / kTileRows;
  const Spans spans(num_tiles * num_chunks);
  const int64_t first = spans.first(blockIdx.x);
  const int count = static_cast<int>(spans.first(blockIdx.x + 1) - first);
  ChunkPlace place{static_cast<int>(first / num_chunks), static_cast<int>(first % num_chunks)};
  ChunkPlace ahead = place;
  for (int i = 0; i < S::kStages && i < count; ++i, ahead.advance(num_chunks)) {
    copy_w<S>(task, ring + i * S::kStageUnits, ahead);
  }
  if constexpr (kAheadChunks > 0) {
    if (count > S::kStages) {
      prefetch_w<kAheadChunks>(task, ahead, task.in * static_cast<int64_t>(sizeof(typename S::W)));
    }
  }
  wait_for_predecessor();
  ahead = place;
  for (int i = 0; i < S::kStages && i < count; ++i, ahead.advance(num_chunks)) {
    copy_x<S>(task, ring + i * S::kStageUnits, ahead);
  }
  commit_copies();
  wait_for_copies<0>();
  typename S::Sums sums = {};
  int stage = 0;
  int part_chunks = 0;
  for (int i = 0; i < count; ++i, place.advance(num_chunks)) {
    wait_for_copies<S::kStages - 2>();
    __syncthreads();
    // The stage before is free now, as all warps are past it.
    if (i > 0 && i - 1 + S::kStages < count) {
      uint4* const free_stage = ring + (stage == 0 ? S::kStages - 1 : stage - 1) * S::kStageUnits;
      copy_w<S>(task, free_stage, ahead);
      copy_x<S>(task, free_stage, ahead);
      ahead.advance(num_chunks);
    }
    commit_copies();
    multiply_stage<S>(ring + stage * S::kStageUnits, sums);
    stage = stage + 1 == S::kStages ? 0 : stage + 1;
    ++part_chunks;
    if (place.chunk + 1 < num_chunks && i + 1 < count) continue;
    if (part_chunks == num_chunks) {
      store_tile<S>(task, place.tile, sums);
    } else {
      meet<S>(task, meeting, spans, place.tile, num_chunks, sums);
    }
    part_chunks = 0;
    clear<S>(sums);
  }
}

template <typename S, int kAheadChunks>
void launch_stream(const LinearTask& task, const StreamMeeting& meeting, int64_t num_blocks,
                   const CudaQueue& queue) {
  launch(queue, "linear, streamed",
         {.grid = static_cast<unsigned>(num_blocks),
          .block = kStreamThreads,
          .shared_bytes = S::kSharedBytes},
         Overlap::kWithPredecessor, linear_stream_tiles<S, kAheadChunks>, task, meeting);
}

}  // namespace fathom::kernels::cuda
