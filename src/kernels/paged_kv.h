// The paged KV cache and the ragged batch, as kernels see them.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace fathom::kernels {

// One layer's keys and values: [num_blocks, num_kv_heads, block_tokens, head_dim] each, row-major,
// so that the keys of one head in one block are one contiguous run.
struct PagedKv {
  tensor::MutableView keys;
  tensor::MutableView values;

  std::int64_t num_blocks() const { return keys.shape[0]; }
  std::int64_t num_kv_heads() const { return keys.shape[1]; }
  std::int64_t block_tokens() const { return keys.shape[2]; }
  std::int64_t head_dim() const { return keys.shape[3]; }
};

// Which rows of a step belong to which sequence. All arrays are in device memory; a captured
// graph may replay with other contents. Rows of one sequence are consecutive and in order of
// position; a decode step of a sequence has one row, a chunk of its prompt many.
struct RaggedBatch {
  tensor::View positions;  // i32 [num_tokens]: position of the row in its sequence
  tensor::View slots;      // i32 [num_tokens]: block * block_tokens + offset; -1 writes nothing
  tensor::View
      query_starts;  // i32 [num_sequences + 1]: first row of each sequence; ends at num_tokens
  tensor::View context_lens;  // i32 [num_sequences]: tokens in the cache after this step's append
  tensor::View block_tables;  // i32 [num_sequences, max_blocks]: blocks in order of position

  std::int64_t num_tokens() const { return positions.shape[0]; }
  std::int64_t num_sequences() const { return context_lens.shape[0]; }
};

}  // namespace fathom::kernels
