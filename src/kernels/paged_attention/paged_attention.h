// Causal attention of a ragged batch over the paged KV cache: prefill chunks and decode alike.
// y = softmax(q k^T * scale) v; the row at position p sees the cache at positions 0..p.
// Query head h reads KV head h / (num_heads / num_kv_heads): any group size.
// Source: arXiv:2309.06180 (pages), arXiv:2205.14135 (online softmax).
// Shapes: q, y [num_tokens, num_heads, head_dim], row-major; cache as in PagedKv.
// A row of a sequence whose context_len is 0 (padding) gives zeros and reads nothing.
// Dtypes: q, y f32 | bf16, on a GPU also f16, the same; cache as in PagedKv. Scores, softmax and
//   sums in f32; on a GPU, 16-bit queries make 16-bit products: bf16 over a bf16 cache, else f16.
// Order: a row's result depends on its query and the cache contents alone, in an order fixed by
//   position: not on the batch, nor on how the prompt was cut into chunks. On a GPU only if
//   batch_invariant; without, short contexts of few sequences are cut over more
//   multiprocessors, at places that depend on the batch. The same batch gives the same bits.
// Precondition: the keys and values of this step are in the cache (rope_kv_append ran).
// Cost: reads 2 * context * kv_size values for each sequence (once for every tile of its rows);
//   4 * num_heads * head_dim FLOP for each row and visible position.
// Limits: head_dim even and at most 512, blocks of at most 64 tokens, on a GPU a power of two.
// Tolerance: 1e-5 relative to max |v| in f32; 1 ulp more in bf16; with 16-bit products weights are
//   rounded to their type, so 2^-8 of max |v| at most.
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
  // f32, at least paged_attention_workspace_floats(); zeros when first used, and left as the next
  // call needs it. Calls that may overlap need one each. Empty on the CPU.
  tensor::MutableView workspace;
  bool batch_invariant = false;
};

// Enough for batches of up to max_tokens rows; 0 on the CPU.
std::int64_t paged_attention_workspace_floats(std::int64_t max_tokens, std::int64_t num_heads,
                                              std::int64_t head_dim, const device::Device& device);

void paged_attention(const PagedAttentionArgs& args, device::Stream& stream);
void paged_attention_reference(const PagedAttentionArgs& args);

}  // namespace fathom::kernels
