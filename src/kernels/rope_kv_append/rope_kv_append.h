// Rotary embedding of queries and keys, and append of keys and values to the paged KV cache.
// Source: arXiv:2104.09864, "rotate half": dimensions i and i + head_dim/2 turn by position * f_i.
// Shapes: qkv [num_tokens, (num_heads + 2 * num_kv_heads) * head_dim]: queries, keys, values of
//   each row; cos_sin f32 [max_position, 2, head_dim / 2]; q [num_tokens, num_heads, head_dim].
// Dtypes: qkv, q f32 | bf16, on a GPU also f16, the same; cache as in PagedKv. The rotation is
//   computed in f32 and rounded once, to i8 as PagedKv says (then head_dim <= 512). A row whose
//   slot is -1 is rotated but not appended.
// Preconditions: 0 <= position < max_position; slot < num_blocks * block_tokens.
// Cost: bytes of qkv read, q and the cache rows written.
#pragma once

#include "device/device.h"
#include "kernels/paged_kv.h"

namespace fathom::kernels {

struct RopeKvAppendArgs {
  tensor::View qkv;
  tensor::View cos_sin;
  RaggedBatch batch;
  tensor::MutableView q;
  PagedKv cache;
};

void rope_kv_append(const RopeKvAppendArgs& args, device::Stream& stream);
void rope_kv_append_reference(const RopeKvAppendArgs& args);

}  // namespace fathom::kernels
