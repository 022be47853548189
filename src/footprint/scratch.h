// What operations need of memory beside their arguments.
#pragma once

#include <cstdint>

#include "footprint/device_shape.h"

namespace fathom::footprint {

// Of a GPU's decode attention: blocks on a multiprocessor, query rows of a partial result, and the
// floats that stand beside a row's totals.
inline constexpr std::int64_t kAttentionBlocksPerMultiprocessor = 4;
inline constexpr std::int64_t kAttentionQueryRows = 8;
inline constexpr std::int64_t kAttentionRowExtras = 4;
// Of a GPU's sampling: columns of a segment, and the floats of its summary.
inline constexpr std::int64_t kSampleSegmentColumns = 512;
inline constexpr std::int64_t kSampleSummaryFloats = 5;
// Of the CPU's sampling, for each column.
inline constexpr std::int64_t kSampleColumnFloats = 3;

// For products of at most max_tokens rows of at most max_in columns; 0 on the CPU.
std::int64_t linear_scratch_bytes(const DeviceShape& device, std::int64_t max_tokens,
                                  std::int64_t max_in);

// For attention with heads of this size; 0 on the CPU, and on a GPU for sizes that one block takes.
std::int64_t attention_scratch_floats(const DeviceShape& device, std::int64_t head_dim);

std::int64_t sample_scratch_floats(const DeviceShape& device, std::int64_t max_rows,
                                   std::int64_t vocab_rows);

// A step of one row as one kernel (kernels/decode_row).
struct DecodeRowShape {
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_heads = 0;
  std::int64_t head_dim = 0;
  int num_multiprocessors = 0;
};

// Spans that a head's context is cut into.
std::int64_t decode_row_splits(int num_multiprocessors, std::int64_t num_heads);

// Byte offsets in its allocation.
struct DecodeRowArrays {
  std::int64_t barrier = 0, residual = 0, queries = 0, split_sums = 0, attended = 0, gated = 0;
  std::int64_t end = 0;
};

DecodeRowArrays decode_row_arrays(const DecodeRowShape& shape);

}  // namespace fathom::footprint
