// Tiles of 128 rows by 128 tokens whose sums are those of the streaming kernel, bit for bit: `in`
// is run through once for each part of the stages, and the parts' sums are added in their order.
#include "kernels/linear/linear_mma.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kTileRows = 128;
constexpr int kTileTokens = 128;
constexpr int kRowWarps = 4;
constexpr int kTokenWarps = 2;
constexpr int kThreads = kWarpThreads * kRowWarps * kTokenWarps;
constexpr int kRowTiles = kTileRows / kRowWarps / 16;
constexpr int kColumns = kTileTokens / kTokenWarps / 8;
// A step takes one part of two chunks: 128 bytes of each weight row.
constexpr int kStepChunks = 2;
constexpr int kPartUnits = kStageRowUnits / kParts;
constexpr int kStepUnits = kStepChunks * kPartUnits;

template <typename XType, typename WType, int kStageCount>
struct TileShape {
  using X = XType;
  using W = WType;
  using Units = Fragments<X, W>;
  static constexpr int kStages = kStageCount;
  static constexpr int kPerW = Units::kXUnitsPerWUnit;
  static constexpr int kWUnits = kTileRows * kStepUnits;
  static constexpr int kStepXUnits = kStepUnits * kPerW;
  static constexpr int kStageUnits = kWUnits + kTileTokens * kStepXUnits;
  static constexpr int kSharedBytes = kStages * kStageUnits * 16;
};

// A step's units of one operand: rows of `row_bytes` bytes, kPer units for each of W's.
template <int kPer, typename Place>
__device__ inline void copy_operand(uint4* target, const void* data, int64_t row_bytes,
                                    int64_t first_row, int64_t num_rows, int part, int64_t chunk,
                                    Place place) {
  constexpr int kUnits = kStepUnits * kPer;
  constexpr int kBlock = kPartUnits * kPer;
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < kTileRows * kUnits; i += kThreads) {
    const int row = i / kUnits;
    const int unit = i % kUnits;
    const int64_t offset =
        ((chunk + unit / kBlock) * kStageRowUnits * kPer + part * kBlock + unit % kBlock) * 16;
    const bool is_real = first_row + row < num_rows && offset < row_bytes;
    copy_async(
        target + row * kUnits + place(row, unit),
        static_cast<const char*>(data) + (is_real ? (first_row + row) * row_bytes + offset : 0),
        is_real);
  }
}

template <typename S>
__device__ inline void multiply_step(const uint4* stage, int num_chunks,
                                     float (&sums)[kRowTiles][kColumns][4]) {
  using Units = typename S::Units;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int group = static_cast<int>(threadIdx.x) % kWarpThreads / 4;
  const int first_row = warp % kRowWarps * kRowTiles * 16 + group;
  const int first_token = warp / kRowWarps * kColumns * 8 + group;
  const uint4* const x = stage + S::kWUnits;
#pragma unroll
  for (int chunk = 0; chunk < kStepChunks; ++chunk) {
    if (chunk >= num_chunks) break;
    const int unit = chunk * kPartUnits + static_cast<int>(threadIdx.x) % 4;
    uint4 x_units[kColumns][S::kPerW];
#pragma unroll
    for (int column = 0; column < kColumns; ++column) {
#pragma unroll
      for (int i = 0; i < S::kPerW; ++i) {
        const int token = first_token + column * 8;
        x_units[column][i] = x[token * S::kStepXUnits + Units::x_place(token, unit * S::kPerW + i)];
      }
    }
#pragma unroll
    for (int tile = 0; tile < kRowTiles; ++tile) {
      const int row = first_row + tile * 16;
      const uint4* const w = stage + row * kStepUnits + Units::w_place(row, unit);
      multiply_units<typename S::X, typename S::W, kColumns>(sums[tile], w[0], w[8 * kStepUnits],
                                                             x_units);
    }
  }
}

__device__ inline void store_tile(const LinearTask& task, int64_t first_row, int64_t first_token,
                                  const float (&sums)[kRowTiles][kColumns][4]) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int group = static_cast<int>(threadIdx.x) % kWarpThreads / 4;
  const int pair = static_cast<int>(threadIdx.x) % 4;
  for (int tile = 0; tile < kRowTiles; ++tile) {
    for (int column = 0; column < kColumns; ++column) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t row =
            first_row + (warp % kRowWarps * kRowTiles + tile) * 16 + group + i / 2 * 8;
        const int64_t token =
            first_token + (warp / kRowWarps * kColumns + column) * 8 + pair * 2 + i % 2;
        if (row < task.out && token < task.num_tokens) {
          store_sum(task, token, row, sums[tile][column][i]);
        }
      }
    }
  }
}

// The first part's sums are taken as they are, as the streaming kernel does.
__device__ inline void add_part(int part, float (&totals)[kRowTiles][kColumns][4],
                                float (&sums)[kRowTiles][kColumns][4]) {
#pragma unroll
  for (int tile = 0; tile < kRowTiles; ++tile) {
#pragma unroll
    for (int column = 0; column < kColumns; ++column) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float sum = sums[tile][column][i];
        totals[tile][column][i] = part == 0 ? sum : __fadd_rn(totals[tile][column][i], sum);
        sums[tile][column][i] = 0;
      }
    }
  }
}

template <typename S>
__global__ void __launch_bounds__(kThreads, 1)
    linear_tile(const __grid_constant__ LinearTask task) {
  extern __shared__ uint4 ring[];
  wait_for_predecessor();
  let_successor_start();
  const int64_t first_token = static_cast<int64_t>(blockIdx.x) * kTileTokens;
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTileRows;
  const int num_chunks = static_cast<int>((task.in + S::Units::kStageIn - 1) / S::Units::kStageIn);
  const int part_steps = (num_chunks + kStepChunks - 1) / kStepChunks;
  const int num_steps = kParts * part_steps;
  const auto copy_step = [&](int stage, int step) {
    uint4* const target = ring + stage * S::kStageUnits;
    const int part = step / part_steps;
    const int chunk = step % part_steps * kStepChunks;
    copy_operand<1>(target, task.w, task.in * sizeof(typename S::W), first_row, task.out, part,
                    chunk, S::Units::w_place);
    copy_operand<S::kPerW>(target + S::kWUnits, task.x, task.in * sizeof(typename S::X),
                           first_token, task.num_tokens, part, chunk, S::Units::x_place);
  };
  for (int i = 0; i < S::kStages - 1; ++i) {
    if (i < num_steps) copy_step(i, i);
    commit_copies();
  }
  float sums[kRowTiles][kColumns][4] = {};
  float totals[kRowTiles][kColumns][4];
  int step = 0;
  int stage = 0;
  for (int part = 0; part < kParts; ++part) {
    for (int i = 0; i < part_steps; ++i, ++step) {
      wait_for_copies<S::kStages - 2>();
      __syncthreads();
      const int next = step + S::kStages - 1;
      if (next < num_steps) copy_step(stage == 0 ? S::kStages - 1 : stage - 1, next);
      commit_copies();
      multiply_step<S>(ring + stage * S::kStageUnits, num_chunks - i * kStepChunks, sums);
      stage = stage + 1 == S::kStages ? 0 : stage + 1;
    }
    add_part(part, totals, sums);
  }
  store_tile(task, first_row, first_token, totals);
}

template <typename S>
void launch_tiles(const LinearTask& task, const CudaQueue& queue) {
  const dim3 grid(static_cast<unsigned>((task.num_tokens + kTileTokens - 1) / kTileTokens),
                  static_cast<unsigned>((task.out + kTileRows - 1) / kTileRows));
  launch(queue, "linear, in tiles",
         {.grid = grid, .block = kThreads, .shared_bytes = S::kSharedBytes},
         Overlap::kWithPredecessor, linear_tile<S>, task);
}

template <typename X, typename W>
void run(const LinearTask& task, const CudaQueue& queue) {
  using Deep = TileShape<X, W, 4>;
  using Shallow = TileShape<X, W, sizeof(W) == 1 ? 2 : 3>;
  if (Deep::kSharedBytes <= queue.max_shared_bytes) return launch_tiles<Deep>(task, queue);
  launch_tiles<Shallow>(task, queue);
}

}  // namespace

void linear_tiles(const LinearTask& task, const CudaQueue& queue) {
  const bool is_f8 = task.w_type == Element::kF8E4M3;
  if (task.x_type == Element::kBF16) {
    return is_f8 ? run<__nv_bfloat16, __nv_fp8_e4m3>(task, queue)
                 : run<__nv_bfloat16, __nv_bfloat16>(task, queue);
  }
  return is_f8 ? run<__half, __nv_fp8_e4m3>(task, queue) : run<__half, __half>(task, queue);
}

}  // namespace fathom::kernels::cuda
