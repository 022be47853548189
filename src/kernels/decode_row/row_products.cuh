// Products of the rows in shared memory with the vector that all lanes hold, a slice each.
//
// A row's columns are split over all consumer warps, so that x stays in registers for the whole
// matrix and a stage's result is there shortly after its last byte. Each warp adds up its part of a
// row over its lanes and leaves it in shared memory; warp 0 finishes blocks of rows.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/decode_row/weight_stream.cuh"

namespace fathom::kernels::cuda {

inline constexpr int kConsumerWarps = 16;
inline constexpr int kConsumerThreads = kConsumerWarps * kWarpThreads;
inline constexpr uint32_t kChunk = 8;      // columns that a lane loads at once
inline constexpr uint32_t kBlockRows = 64;  // two for each lane of the finishing warp
inline constexpr uint32_t kMaxStageRows = 4;

// [buffer][warp][row]: while one block of rows is finished, the next one is computed.
struct PartialSums {
  float values[2][kConsumerWarps][kBlockRows];
};

__device__ inline void sync_consumers() {
  asm volatile("bar.sync 1, %0;" ::"n"(kConsumerThreads) : "memory");
}

// Which chunk of columns is the lane's v-th.
__device__ inline uint32_t own_chunk(uint32_t v) { return v * kConsumerThreads + threadIdx.x; }

// Eight elements as they lie in memory.
template <typename T>
struct alignas(kChunk * sizeof(T)) Chunk {
  uint32_t words[kChunk * sizeof(T) / 4];
};

__device__ inline void widen_chunk(const Chunk<__nv_bfloat16>& chunk, float (&values)[kChunk]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[2 * i] = __uint_as_float(chunk.words[i] << 16);
    values[2 * i + 1] = __uint_as_float(chunk.words[i] & 0xFFFF0000U);
  }
}

__device__ inline void widen_chunk(const Chunk<__half>& chunk, float (&values)[kChunk]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&chunk.words[i]));
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

__device__ inline void widen_chunk(const Chunk<__nv_fp8_e4m3>& chunk, float (&values)[kChunk]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const auto pair_bits = static_cast<__nv_fp8x2_storage_t>(chunk.words[i / 2] >> (i % 2 * 16));
    const __half2 halves(__nv_cvt_fp8x2_to_halfraw2(pair_bits, __NV_E4M3));
    const float2 pair = __half22float2(halves);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

// From what another multiprocessor has written in this launch: past the first-level cache.
template <typename T>
__device__ Chunk<T> load_chunk(const T* from) {
  Chunk<T> chunk;
  if constexpr (sizeof(chunk) == 16) {
    const uint4 bits = __ldcg(reinterpret_cast<const uint4*>(from));
    chunk.words[0] = bits.x;
    chunk.words[1] = bits.y;
    chunk.words[2] = bits.z;
    chunk.words[3] = bits.w;
  } else {
    const uint2 bits = __ldcg(reinterpret_cast<const uint2*>(from));
    chunk.words[0] = bits.x;
    chunk.words[1] = bits.y;
  }
  return chunk;
}

__device__ inline void load_floats(const float* from, float (&values)[kChunk]) {
  const float4 low = __ldcg(reinterpret_cast<const float4*>(from));
  const float4 high = __ldcg(reinterpret_cast<const float4*>(from) + 1);
  values[0] = low.x;
  values[1] = low.y;
  values[2] = low.z;
  values[3] = low.w;
  values[4] = high.x;
  values[5] = high.y;
  values[6] = high.z;
  values[7] = high.w;
}

template <typename T>
__device__ float round_to(float value) {
  return widen(narrow<T>(value));
}

// Sums over the warp of kRows values; lane l ends with that of row l * kRows / 32.
template <int kRows>
__device__ float sum_rows(float (&sums)[kRows]) {
  const uint32_t lane = threadIdx.x % kWarpThreads;
  int offset = kWarpThreads / 2;
  // Halves the number of rows a lane cares for with each exchange.
#pragma unroll
  for (int count = kRows; count > 1; count /= 2, offset /= 2) {
    const bool is_upper = (lane & offset) != 0;
#pragma unroll
    for (int i = 0; i < count / 2; ++i) {
      const float given = is_upper ? sums[i] : sums[i + count / 2];
      const float kept = is_upper ? sums[i + count / 2] : sums[i];
      sums[i] = kept + __shfl_xor_sync(0xFFFFFFFFU, given, offset);
    }
  }
#pragma unroll
  for (; offset > 0; offset /= 2) sums[0] += __shfl_xor_sync(0xFFFFFFFFU, sums[0], offset);
  return sums[0];
}

// This lane's part of a row's product. Lanes beyond the row's end hold zeros for x and read the
// row's first columns.
template <typename W, int kChunks>
__device__ float product(const W* row, const uint32_t (&columns)[kChunks],
                         const float (&x)[kChunks][kChunk]) {
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kChunks; ++v) {
    float w[kChunk];
    widen_chunk(*reinterpret_cast<const Chunk<W>*>(row + columns[v]), w);
#pragma unroll
    for (int i = 0; i < static_cast<int>(kChunk); ++i) sum = fmaf(w[i], x[v][i], sum);
  }
  return sum;
}

// The consumers' side of the stream.
class WeightConsumer {
 public:
  __device__ WeightConsumer(const char* ring, uint32_t ring_bytes, StreamBarriers& barriers,
                            PartialSums& partials)
      : ring_(ring), barriers_(barriers), partials_(partials), places_(ring_bytes) {}

  // Multiplies this block's rows of a matrix with x. Warp 0 calls prepare(row) before and
  // finish(prepared, row, low, high) after the products of the rows `row` and `row + 1` of this
  // block's rows: each lane for rows of its own, in blocks.
  template <typename W, int kChunks, typename Prepare, typename Finish>
  __device__ void multiply(const DecodeRowMatrix& matrix, uint32_t num_rows,
                           const float (&x)[kChunks][kChunk], Prepare&& prepare, Finish&& finish) {
    uint32_t columns[kChunks];
#pragma unroll
    for (int v = 0; v < kChunks; ++v) {
      columns[v] = own_chunk(v) * kChunk < matrix.in ? own_chunk(v) * kChunk : 0;
    }
    const uint32_t own_row = 2 * threadIdx.x;  // of warp 0, within a block
    for (uint32_t first = 0; first < num_rows; first += kBlockRows) {
      const uint32_t end = min(first + kBlockRows, num_rows);
      const bool finishes = threadIdx.x < kWarpThreads && first + own_row < end;
      decltype(prepare(0U)) prepared;
      if (finishes) prepared = prepare(first + own_row);
      for (uint32_t row = first; row < end; row += matrix.stage_rows) {
        multiply_stage<W>(matrix, row - first, min(matrix.stage_rows, end - row), columns, x);
      }
      sync_consumers();
      if (finishes) {
        float low = 0;
        float high = 0;
#pragma unroll
        for (int warp = 0; warp < kConsumerWarps; ++warp) {
          const float2 part =
              *reinterpret_cast<const float2*>(&partials_.values[buffer_][warp][own_row]);
          low += part.x;
          high += part.y;
        }
        finish(prepared, first + own_row, low, high);
      }
      buffer_ ^= 1;
    }
  }

 private:
  // Leaves the sums of `num_rows` rows from row `first` of the block on.
  template <typename W, int kChunks>
  __device__ void multiply_stage(const DecodeRowMatrix& matrix, uint32_t first, uint32_t num_rows,
                                 const uint32_t (&columns)[kChunks],
                                 const float (&x)[kChunks][kChunk]) {
    const uint32_t warp = threadIdx.x / kWarpThreads;
    const uint32_t lane = threadIdx.x % kWarpThreads;
    float* partials = &partials_.values[buffer_][warp][first];
    places_.next(num_rows * matrix.row_bytes);
    wait_for_phase(&barriers_.full[places_.index()], places_.parity());
    const char* stage = ring_ + places_.offset();
    const auto row_at = [&](uint32_t row) {
      return reinterpret_cast<const W*>(stage + row * matrix.row_bytes);
    };
    if (num_rows == kMaxStageRows) {
      float sums[kMaxStageRows];
#pragma unroll
      for (uint32_t i = 0; i < kMaxStageRows; ++i) sums[i] = product(row_at(i), columns, x);
      const float sum = sum_rows(sums);
      if (lane % 8 == 0) partials[lane / 8] = sum;
    } else if (num_rows == 2) {
      float sums[2] = {product(row_at(0), columns, x), product(row_at(1), columns, x)};
      const float sum = sum_rows(sums);
      if (lane % 16 == 0) partials[lane / 16] = sum;
    } else {
      for (uint32_t i = 0; i < num_rows; ++i) {
        const float sum = warp_sum(product(row_at(i), columns, x));
        if (lane == 0) partials[i] = sum;
      }
    }
    __syncwarp();
    if (lane == 0) arrive(&barriers_.empty[places_.index()]);
  }

  const char* ring_;
  StreamBarriers& barriers_;
  PartialSums& partials_;
  StagePlaces places_;
  uint32_t buffer_ = 0;
};

}  // namespace fathom::kernels::cuda
