// The streaming kernel of linear, for up to 64 tokens: a block owns some weight rows and runs along
// all of `in`, its stages of W and x arriving in a ring ahead of it.
#pragma once

#include "kernels/linear/linear_mma.cuh"

namespace fathom::kernels::cuda {

// Warps: kParts for each of kRowWarps groups of 16 * kRowTiles rows; kColumns groups of 8 tokens.
template <typename XType, typename WType, int kRowTileCount, int kRowWarpCount, int kColumnCount,
          int kStageCount, int kMinBlockCount = 1>
struct StreamShape {
  using X = XType;
  using W = WType;
  using Units = Fragments<X, W>;
  static constexpr int kRowTiles = kRowTileCount;
  static constexpr int kRowWarps = kRowWarpCount;
  static constexpr int kColumns = kColumnCount;
  static constexpr int kStages = kStageCount;
  static constexpr int kMinBlocks = kMinBlockCount;
  static constexpr int kThreads = kWarpThreads * kParts * kRowWarps;
  static constexpr int kRows = 16 * kRowTiles * kRowWarps;
  static constexpr int kTokens = 8 * kColumns;
  static constexpr int kWUnits = kRows * kStageRowUnits;
  static constexpr int kXUnits = kTokens * Units::kStageXUnits;
  static constexpr int kStageUnits = kWUnits + kXUnits;
  // Of the parts' sums at the end: padded so that a warp's stores meet no bank twice.
  static constexpr int kSumStride = kRows + 4;
  static constexpr int kSumBytes = kParts * kTokens * kSumStride * 4;
  static constexpr int kRingBytes = kStages * kStageUnits * 16;
  static constexpr int kSharedBytes = kRingBytes > kSumBytes ? kRingBytes : kSumBytes;
  static_assert(kWUnits % kThreads == 0);
};

// What a thread copies: the same column of units in every stage.
template <typename S>
class StreamCopies {
 public:
  __device__ StreamCopies(const LinearTask& task, uint4* ring, int64_t first_row)
      : task_(task), ring_(ring), first_row_(first_row) {
    const int row = thread() / kStageRowUnits;
    w_bytes_ = task.in * static_cast<int64_t>(sizeof(W));
    w_ = static_cast<const char*>(task.w) + (first_row + row) * w_bytes_ + w_unit() * 16;
  }

  // Weights do not come from a predecessor.
  __device__ void copy_w(int stage, int chunk) const {
    uint4* const target = ring_ + stage * S::kStageUnits;
    const int64_t offset = static_cast<int64_t>(chunk) * kStageRowBytes;
    const bool is_inside = offset + w_unit() * 16 < w_bytes_;
#pragma unroll
    for (int i = 0; i < S::kWUnits / S::kThreads; ++i) {
      constexpr int kRowStep = S::kThreads / kStageRowUnits;
      const int row = thread() / kStageRowUnits + i * kRowStep;
      const bool is_real = is_inside && first_row_ + row < task_.out;
      copy_async(target + row * kStageRowUnits + S::Units::w_place(row, w_unit()),
                 is_real ? w_ + i * kRowStep * w_bytes_ + offset : task_.w, is_real);
    }
  }

  __device__ void copy_x(int stage, int chunk) const {
    uint4* const target = ring_ + stage * S::kStageUnits + S::kWUnits;
    const int64_t x_bytes = task_.in * static_cast<int64_t>(sizeof(X));
    const int units = static_cast<int>(task_.num_tokens) * S::Units::kStageXUnits;
    for (int i = thread(); i < units; i += S::kThreads) {
      const int token = i / S::Units::kStageXUnits;
      const int unit = i % S::Units::kStageXUnits;
      const int64_t offset = (static_cast<int64_t>(chunk) * S::Units::kStageXUnits + unit) * 16;
      const bool is_real = offset < x_bytes;
      copy_async(target + token * S::Units::kStageXUnits + S::Units::x_place(token, unit),
                 static_cast<const char*>(task_.x) + (is_real ? token * x_bytes + offset : 0),
                 is_real);
    }
  }

 private:
  using X = typename S::X;
  using W = typename S::W;
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static int w_unit() { return thread() % kStageRowUnits; }

  const LinearTask& task_;
  uint4* ring_;
  int64_t first_row_;
  int64_t w_bytes_;
  const char* w_;
};

// One warp's part of a stage.
template <typename S>
__device__ inline void multiply_stage(const uint4* stage,
                                      float (&sums)[S::kRowTiles][S::kColumns][4]) {
  using Units = typename S::Units;
  constexpr int kPerW = Units::kXUnitsPerWUnit;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int group = static_cast<int>(threadIdx.x) % kWarpThreads / 4;
  const int unit = warp % kParts * 4 + static_cast<int>(threadIdx.x) % 4;
  const uint4* const x = stage + S::kWUnits;
  uint4 x_units[S::kColumns][kPerW];
#pragma unroll
  for (int column = 0; column < S::kColumns; ++column) {
#pragma unroll
    for (int i = 0; i < kPerW; ++i) {
      const int token = column * 8 + group;
      x_units[column][i] = x[token * Units::kStageXUnits + Units::x_place(token, unit * kPerW + i)];
    }
  }
#pragma unroll
  for (int tile = 0; tile < S::kRowTiles; ++tile) {
    const int row = (warp / kParts * S::kRowTiles + tile) * 16 + group;
    const uint4* const w = stage + row * kStageRowUnits + Units::w_place(row, unit);
    multiply_units<typename S::X, typename S::W, S::kColumns>(sums[tile], w[0],
                                                              w[8 * kStageRowUnits], x_units);
  }
}

// The parts' sums meet in shared memory, where they are added in order.
template <typename S>
__device__ inline void store_sums(const LinearTask& task, float* shared, int64_t first_row,
                                  const float (&sums)[S::kRowTiles][S::kColumns][4]) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int group = static_cast<int>(threadIdx.x) % kWarpThreads / 4;
  const int pair = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int tile = 0; tile < S::kRowTiles; ++tile) {
#pragma unroll
    for (int column = 0; column < S::kColumns; ++column) {
      const int row = (warp / kParts * S::kRowTiles + tile) * 16 + group;
      float* const at =
          shared + (warp % kParts * S::kTokens + column * 8 + pair * 2) * S::kSumStride + row;
      at[0] = sums[tile][column][0];
      at[S::kSumStride] = sums[tile][column][1];
      at[8] = sums[tile][column][2];
      at[S::kSumStride + 8] = sums[tile][column][3];
    }
  }
  __syncthreads();
  const int count = static_cast<int>(task.num_tokens) * S::kRows;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += S::kThreads) {
    const int token = i / S::kRows;
    const int row = i % S::kRows;
    if (first_row + row >= task.out) continue;
    const float* const at = shared + token * S::kSumStride + row;
    float sum = at[0];
    for (int part = 1; part < kParts; ++part) {
      sum = __fadd_rn(sum, at[part * S::kTokens * S::kSumStride]);
    }
    store_sum(task, token, first_row + row, sum);
  }
}

template <typename S>
__global__ void __launch_bounds__(S::kThreads, S::kMinBlocks)
    linear_stream_rows(const __grid_constant__ LinearTask task) {
  extern __shared__ uint4 ring[];
  let_successor_start();
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * S::kRows;
  const int num_chunks = static_cast<int>((task.in + S::Units::kStageIn - 1) / S::Units::kStageIn);
  const StreamCopies<S> copies(task, ring, first_row);
  for (int i = 0; i < S::kStages && i < num_chunks; ++i) copies.copy_w(i, i);
  wait_for_predecessor();
  for (int i = 0; i < S::kStages && i < num_chunks; ++i) copies.copy_x(i, i);
  commit_copies();
  wait_for_copies<0>();
  float sums[S::kRowTiles][S::kColumns][4] = {};
  int stage = 0;
  for (int chunk = 0; chunk < num_chunks; ++chunk) {
    wait_for_copies<S::kStages - 2>();
    __syncthreads();
    // The stage before is free now, as all warps are past it.
    const int next = chunk - 1 + S::kStages;
    if (chunk > 0 && next < num_chunks) {
      const int free_stage = stage == 0 ? S::kStages - 1 : stage - 1;
      copies.copy_w(free_stage, next);
      copies.copy_x(free_stage, next);
    }
    commit_copies();
    multiply_stage<S>(ring + stage * S::kStageUnits, sums);
    stage = stage + 1 == S::kStages ? 0 : stage + 1;
  }
  wait_for_copies<0>();
  __syncthreads();
  store_sums<S>(task, reinterpret_cast<float*>(ring), first_row, sums);
}

template <typename S>
void launch_stream(const LinearTask& task, const CudaQueue& queue) {
  const auto grid = static_cast<unsigned>((task.out + S::kRows - 1) / S::kRows);
  launch(queue, "linear, streamed",
         {.grid = grid, .block = S::kThreads, .shared_bytes = S::kSharedBytes},
         Overlap::kWithPredecessor, linear_stream_rows<S>, task);
}

}  // namespace fathom::kernels::cuda
