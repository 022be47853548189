// The counts of the operations' own memory.
#include "footprint/scratch.h"

#include <algorithm>

#include "base/checked.h"
#include "footprint/array_layout.h"

namespace fathom::footprint {
namespace {

// What the library of matrix products may use, and as much again for its products in pieces.
constexpr std::int64_t kLinearLibraryBytes = std::int64_t{64} << 20;
constexpr std::int64_t kDecodeRowAlignmentBytes = 256;
constexpr std::int64_t kMaxDecodeRowSplits = 4;

}  // namespace

std::int64_t linear_scratch_bytes(const DeviceShape& device, std::int64_t max_tokens,
                                  std::int64_t max_in) {
  if (!device.is_gpu) return 0;
  // x in fp8, and its scales.
  const std::int64_t quantized = max_tokens * max_in + max_tokens * 4;
  return kLinearLibraryBytes + (quantized + 511) / 256 * 256;
}

std::int64_t attention_scratch_floats(const DeviceShape& device, std::int64_t head_dim) {
  if (!device.is_gpu || (head_dim != 64 && head_dim != 128)) return 0;
  const std::int64_t partial_floats = kAttentionQueryRows * (head_dim + kAttentionRowExtras);
  return device.num_multiprocessors * kAttentionBlocksPerMultiprocessor * (1 + 2 * partial_floats);
}

std::int64_t sample_scratch_floats(const DeviceShape& device, std::int64_t max_rows,
                                   std::int64_t vocab_rows) {
  if (!device.is_gpu) return max_rows * vocab_rows * kSampleColumnFloats;
  return max_rows * base::ceil_div(vocab_rows, kSampleSegmentColumns) * kSampleSummaryFloats;
}

std::int64_t decode_row_splits(int num_multiprocessors, std::int64_t num_heads) {
  return std::min<std::int64_t>(kMaxDecodeRowSplits, num_multiprocessors / num_heads);
}

DecodeRowArrays decode_row_arrays(const DecodeRowShape& shape) {
  constexpr std::int64_t kTypeBytes = 2;
  constexpr std::int64_t kWordBytes = 8;
  constexpr std::int64_t kFloatBytes = 4;
  const std::int64_t q_size = shape.num_heads * shape.head_dim;
  const std::int64_t num_parts =
      shape.num_heads * decode_row_splits(shape.num_multiprocessors, shape.num_heads);
  ArrayLayout layout(kDecodeRowAlignmentBytes);
  DecodeRowArrays arrays;
  arrays.barrier = layout.place(kWordBytes);
  arrays.residual = layout.place(shape.hidden_size * kFloatBytes);
  arrays.queries = layout.place(q_size * kTypeBytes);
  arrays.split_sums = layout.place(num_parts * (shape.head_dim + 2) * kWordBytes);
  arrays.attended = layout.place(q_size * kTypeBytes);
  arrays.gated = layout.place(shape.intermediate_size * kTypeBytes);
  arrays.end = layout.end_bytes();
  return arrays;
}

}  // namespace fathom::footprint
