// A row's adjustments on one segment of its logits, for the GPU's sampler. The same operations in
// the same order as on the CPU, none contracted: the same bits.
#pragma once

#include "kernels/cuda/logit_segment.cuh"
#include "kernels/kernel_tasks.h"

namespace fathom::kernels::cuda {

// A row of logits, and what is asked of it. Null where nothing is.
struct AdjustedRow {
  LogitRow raw;
  const int32_t* mask;
  const int32_t* counts;
  float repetition, presence, frequency;
  const int32_t* bias_tokens;
  const float* bias_values;
  int num_biases;

  __device__ bool is_adjusted() const {
    return mask != nullptr || counts != nullptr || num_biases > 0;
  }
};

__device__ inline AdjustedRow adjusted_row(const SampleTask& task, int64_t row) {
  AdjustedRow result{};
  result.raw = logit_row(task.logits, row, task.vocab_rows, task.num_valid_tokens);
  if (task.mask_rows != nullptr && task.mask_rows[row] >= 0) {
    result.mask = task.masks + task.mask_rows[row] * ((task.vocab_rows + 31) / 32);
  }
  if (task.penalty_slots != nullptr && task.penalty_slots[row] >= 0) {
    result.counts = task.token_counts + task.penalty_slots[row] * task.vocab_rows;
    result.repetition = task.repetition_penalty[row];
    result.presence = task.presence_penalty[row];
    result.frequency = task.frequency_penalty[row];
  }
  if (task.bias_starts != nullptr) {
    const int first = task.bias_starts[row];
    result.bias_tokens = task.bias_tokens + first;
    result.bias_values = task.bias_values + first;
    result.num_biases = task.bias_starts[row + 1] - first;
  }
  return result;
}

__device__ inline void apply_mask(const AdjustedRow& row, int first, LaneLogits& values) {
#pragma unroll
  for (int i = 0; i < kLaneColumns; i += 4) {
    // Four columns from a multiple of 4: in one word.
    const int column = first + lane_column(i, lane_index());
    const auto word = static_cast<uint32_t>(column < row.raw.num_valid ? row.mask[column / 32] : 0);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if ((word >> (column % 32 + k) & 1U) == 0) values[i + k] = -CUDART_INF_F;
    }
  }
}

__device__ inline float penalized(const AdjustedRow& row, int32_t seen, float logit) {
  if (seen == 0) return logit;
  logit = logit > 0.0F ? __fdiv_rn(logit, row.repetition) : __fmul_rn(logit, row.repetition);
  const int32_t in_answer = seen & INT32_MAX;
  if (in_answer == 0) return logit;
  const float taken = __fmul_rn(row.frequency, static_cast<float>(in_answer));
  return __fsub_rn(__fsub_rn(logit, taken), row.presence);
}

__device__ inline void apply_penalties(const AdjustedRow& row, int first, LaneLogits& values) {
  const bool has_packs = reinterpret_cast<uintptr_t>(row.counts) % 16 == 0;
#pragma unroll
  for (int i = 0; i < kLaneColumns; i += 4) {
    const int column = first + lane_column(i, lane_index());
    int4 seen{0, 0, 0, 0};
    if (has_packs && column + 4 <= row.raw.num_valid) {
      seen = *reinterpret_cast<const int4*>(row.counts + column);
    } else {
      const auto seen_at = [&](int k) {
        return column + k < row.raw.num_valid ? row.counts[column + k] : 0;
      };
      seen = {seen_at(0), seen_at(1), seen_at(2), seen_at(3)};
    }
    values[i] = penalized(row, seen.x, values[i]);
    values[i + 1] = penalized(row, seen.y, values[i + 1]);
    values[i + 2] = penalized(row, seen.z, values[i + 2]);
    values[i + 3] = penalized(row, seen.w, values[i + 3]);
  }
}

// The warp looks for those of its segment, 32 at a time, and takes them in order.
__device__ inline void apply_biases(const AdjustedRow& row, int first, LaneLogits& values) {
  const int count = min(row.raw.num_valid - first, kSegmentColumns);
  for (int at = 0; at < row.num_biases; at += kWarpThreads) {
    const int own = at + lane_index();
    const int own_column = own < row.num_biases ? row.bias_tokens[own] - first : -1;
    const bool is_inside = own_column >= 0 && own_column < count;
    const float own_value = is_inside ? row.bias_values[own] : 0.0F;
    uint32_t inside = __ballot_sync(0xFFFFFFFFU, is_inside);
    for (; inside != 0; inside &= inside - 1) {
      const int source = __ffs(static_cast<int>(inside)) - 1;
      const int column = __shfl_sync(0xFFFFFFFFU, own_column, source);
      const float bias = __shfl_sync(0xFFFFFFFFU, own_value, source);
#pragma unroll
      for (int i = 0; i < kLaneColumns; ++i) {
        if (lane_column(i, lane_index()) != column) continue;
        // A ban holds for an infinite logit too, where the sum would be a NaN.
        values[i] = bias == -CUDART_INF_F ? bias : values[i] + bias;
      }
    }
  }
}

// By a warp.
__device__ inline void adjust_segment(const AdjustedRow& row, int first, LaneLogits& values) {
  if (row.mask != nullptr) apply_mask(row, first, values);
  if (row.counts != nullptr) apply_penalties(row, first, values);
  if (row.num_biases > 0) apply_biases(row, first, values);
  // What infinities and extreme penalties made of it.
  if (row.is_adjusted()) {
#pragma unroll
    for (float& value : values) value = fmaxf(value, -CUDART_INF_F);
  }
}

}  // namespace fathom::kernels::cuda
