// Causal attention of a ragged batch over the paged KV cache: prefill chunks and decode alike.
// y = softmax(q k^T * scale) v; the row at position p sees the cache at positions 0..p.
// Query head h reads KV head h / (num_heads / num_kv_heads): any group size.
// Source: arXiv:2309.06180 (pages), arXiv:2205.14135 (online softmax).
// Shapes: q, y [num_tokens, num_heads, head_dim], row-major; cache as in PagedKv.
// Dtypes: q, y f32 | bf16, the same; cache f32 | bf16 | i8. Scores, softmax and sums in f32.
// Order: a row's result depends on its query and the cache contents alone, in an order fixed by
//   position: not on the batch, nor on how the prompt was cut into chunks.
// Precondition: the keys and values of this step are in the cache (rope_kv_append ran).
// Cost: reads 2 * context * kv_size values for each sequence (once for every tile of its rows);
//   4 * num_heads * head_dim FLOP for each row and visible position.
// Limits: head_dim even and at most 512, blocks of at most 64 tokens.
// Tolerance: 1e-5 relative to max |v| in f32; 1 ulp more in bf16.
#pragma once

#include "device/device.h"
#include "kernels/paged_kv.h"

namespace fathom::kernels {

struct PagedAttentionArgs {
  tensor::View q;
  RaggedBatch batch;
  PagedKv cache;
  float scale = 0.0F;
  tensor::MutableView y;
};

void paged_attention(const PagedAttentionArgs& args, device::Stream& stream);
void paged_attention_reference(const PagedAttentionArgs& args);

}  // namespace fathom::kernels
