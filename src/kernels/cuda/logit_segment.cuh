// Rows of logits in segments: what one warp reads at once, and its part of a softmax.
//
// A row is always cut at the same columns and its parts always meet in the same order, so that a
// row's softmax has the same bits in every kernel, whatever else is in the batch.
#pragma once

#include <math_constants.h>
#include <stdint.h>

#include "kernels/cuda/element.cuh"

namespace fathom::kernels::cuda {

inline constexpr int kSegmentColumns = 512;
inline constexpr int kLaneColumns = kSegmentColumns / kWarpThreads;
// Threads of a block that has a row to itself.
inline constexpr int kRowThreads = 1024;
inline constexpr int kRowWarps = kRowThreads / kWarpThreads;
// One segment's logits, a lane's columns of it.
using LaneLogits = float[kLaneColumns];

__host__ __device__ inline int num_segments_of(int64_t num_columns) {
  return static_cast<int>((num_columns + kSegmentColumns - 1) / kSegmentColumns);
}

// A lane's i-th column: packs of 4, so that a warp reads 512 bytes at once.
__device__ inline int lane_column(int i, int lane) {
  return i / 4 * (4 * kWarpThreads) + lane * 4 + i % 4;
}

__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarpThreads; }
__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / kWarpThreads; }

struct LogitRow {
  const float* logits;
  int num_valid;   // columns from here on are padding
  bool has_packs;  // 16-byte loads are aligned
};

__device__ inline LogitRow logit_row(const float* logits, int64_t row, int64_t vocab_rows,
                                     int64_t num_valid) {
  const float* first = logits + row * vocab_rows;
  return {first, static_cast<int>(num_valid), reinterpret_cast<uintptr_t>(first) % 16 == 0};
}

// Padding and NaNs become -infinity.
__device__ inline void load_segment(const LogitRow& row, int first, LaneLogits& values) {
#pragma unroll
  for (int i = 0; i < kLaneColumns; i += 4) {
    const int column = first + lane_column(i, lane_index());
    if (row.has_packs && column + 4 <= row.num_valid) {
      const auto pack = *reinterpret_cast<const float4*>(row.logits + column);
      values[i] = pack.x;
      values[i + 1] = pack.y;
      values[i + 2] = pack.z;
      values[i + 3] = pack.w;
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        values[i + k] = column + k < row.num_valid ? row.logits[column + k] : -CUDART_INF_F;
      }
    }
  }
#pragma unroll
  for (float& value : values) value = fmaxf(value, -CUDART_INF_F);
}

__device__ inline float lane_max(const LaneLogits& values) {
  float most = values[0];
#pragma unroll
  for (int i = 1; i < kLaneColumns; ++i) most = fmaxf(most, values[i]);
  return most;
}

// Of the softmax at temperature 1, for weight_of: log2(e).
inline constexpr float kScaleOfOne = 1.44269504F;

// 2^((logit - max) * scale), 0 below 2^-126. The maximum is finite, the scale finite and positive.
__device__ inline float weight_of(float logit, float max_logit, float scale) {
  float weight;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(weight) : "f"((logit - max_logit) * scale));
  return weight;
}

// The sum of the segment's weights, the same in each lane; 0 without a finite maximum.
__device__ inline float segment_mass(const LaneLogits& values, float max_logit, float scale) {
  if (!isfinite(max_logit)) return 0.0F;
  float sum = 0.0F;
#pragma unroll
  for (const float value : values) sum += weight_of(value, max_logit, scale);
  return warp_sum(sum);
}

// What the softmax of a row needs: its maximum, and the sum of e^(logit - maximum).
struct RowSoftmax {
  float max_logit;
  float sum;
};

// log(e^logit / sum): -infinity for a logit of it, and if the row's maximum is not finite.
__device__ inline float log_softmax(const RowSoftmax& row, float logit) {
  if (!isfinite(row.max_logit) || !(logit >= -CUDART_MAX_NORMAL_F)) return -CUDART_INF_F;
  return static_cast<float>(static_cast<double>(logit) - row.max_logit -
                            log(static_cast<double>(row.sum)));
}

__device__ inline int warp_min(int value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  return __reduce_min_sync(0xFFFFFFFFU, value);
#else
  for (int offset = kWarpThreads / 2; offset > 0; offset /= 2) {
    value = min(value, __shfl_xor_sync(0xFFFFFFFFU, value, offset));
  }
  return value;
#endif
}

// Shared memory of the block's reductions.
struct BlockScratch {
  float floats[2][kWarpThreads];
  int ints[kWarpThreads];
};

// Over a block of kRowThreads, the same in each thread. Whatever used the scratch before must be
// a barrier away.
__device__ inline float row_max(float value, BlockScratch& scratch) {
  value = warp_max(value);
  if (lane_index() == 0) scratch.floats[0][warp_index()] = value;
  __syncthreads();
  return warp_max(lane_index() < kRowWarps ? scratch.floats[0][lane_index()] : -CUDART_INF_F);
}

__device__ inline float row_sum(float value, BlockScratch& scratch) {
  return block_sum(value, scratch.floats[1]);
}

__device__ inline int row_min(int value, BlockScratch& scratch) {
  value = warp_min(value);
  if (lane_index() == 0) scratch.ints[warp_index()] = value;
  __syncthreads();
  return warp_min(lane_index() < kRowWarps ? scratch.ints[lane_index()] : INT32_MAX);
}

// The row's softmax from its segments' maxima and sums, by a block of kRowThreads.
template <typename MaxOf, typename SumOf>
__device__ RowSoftmax merge_segments(int num_segments, MaxOf max_of, SumOf sum_of,
                                     BlockScratch& scratch) {
  float most = -CUDART_INF_F;
  for (int s = static_cast<int>(threadIdx.x); s < num_segments; s += kRowThreads) {
    most = fmaxf(most, max_of(s));
  }
  const float max_logit = row_max(most, scratch);
  float sum = 0.0F;
  if (isfinite(max_logit)) {
    for (int s = static_cast<int>(threadIdx.x); s < num_segments; s += kRowThreads) {
      sum += sum_of(s) * weight_of(max_of(s), max_logit, kScaleOfOne);
    }
  }
  return {max_logit, row_sum(sum, scratch)};
}

}  // namespace fathom::kernels::cuda
