// The paged KV cache and the ragged batch, as kernels see them.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

// One layer's keys and values: [num_blocks, num_kv_heads, block_tokens, head_dim] each, row-major,
// so that the keys of one head in one block are one contiguous run. f32, bf16 or i8; on a GPU also
// f16 and f8_e4m3, which holds what it can and the greatest value for what it cannot.
//
// An i8 cache holds one scale for each token and head: the value of a number q is q * scale.
// A vector x is stored with scale = max |x_i| / 127 and q_i = x_i / scale, rounded to nearest,
// ties to even; a vector of zeros with scale 0 and zeros; a vector with a NaN or an infinity with
// scale NaN.
struct PagedKv {
  tensor::MutableView keys;
  tensor::MutableView values;
  tensor::MutableView key_scales;    // f32 [num_blocks, num_kv_heads, block_tokens]; i8 only
  tensor::MutableView value_scales;  // the same

  std::int64_t num_blocks() const { return keys.shape[0]; }
  std::int64_t num_kv_heads() const { return keys.shape[1]; }
  std::int64_t block_tokens() const { return keys.shape[2]; }
  std::int64_t head_dim() const { return keys.shape[3]; }
  bool has_scales() const { return keys.dtype == tensor::DType::kI8; }
};

// Stops unless an i8 cache has its scales.
inline void check_scales(const PagedKv& cache) {
  const tensor::Shape shape{cache.num_blocks(), cache.num_kv_heads(), cache.block_tokens()};
  CHECK(
      !cache.has_scales() || (cache.key_scales.shape == shape && cache.value_scales.shape == shape),
      "an i8 KV cache of {} with scales of {}", cache.keys.shape.text(),
      cache.key_scales.shape.text());
}

// Which rows of a step belong to which sequence. All arrays are in device memory; a captured
// graph may replay with other contents. Rows of one sequence are consecutive and in order of
// position; a decode step of a sequence has one row, a chunk of its prompt many. A row that only
// fills a recorded step up stands for a sequence of its own: slot -1, position 0, context_len 0.
struct RaggedBatch {
  tensor::View positions;  // i32 [num_tokens]: position of the row in its sequence
  tensor::View slots;      // i32 [num_tokens]: block * block_tokens + offset; -1 writes nothing
  tensor::View
      query_starts;  // i32 [num_sequences + 1]: first row of each sequence; ends at num_tokens
  tensor::View context_lens;  // i32 [num_sequences]: tokens in the cache after this step's append
  tensor::View block_tables;  // i32 [num_sequences, max_blocks]: blocks in order of position
  // What the host knows without the arrays: no sequence has more rows; 0: num_tokens().
  std::int64_t max_query_rows = 0;

  std::int64_t num_tokens() const { return positions.shape[0]; }
  std::int64_t num_sequences() const { return context_lens.shape[0]; }
};

}  // namespace fathom::kernels
