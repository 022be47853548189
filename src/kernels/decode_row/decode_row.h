// A decode step of one sequence: all layers and the head for one token row, in one kernel.
//
// At one row a model's speed is that of reading its weights. Kernels one after another leave the
// memory idle while each starts and ends; here one kernel streams the weights of the whole model
// and computes as they arrive. The result is that of embedding, rms_norm, linear,
// rope_kv_append, paged_attention and silu_mul composed as model::Decoder does, but that products
// are not rounded to the activations' type where they are only added to or multiplied further.
//
// Where: NVIDIA GPUs from sm_90, as supports_decode_row() says; not on the CPU.
// Shapes: ids i32 [1]; batch of one row in one sequence; logits f32 [1, vocab_rows]; hidden_state
//   [1, hidden], the normalized row that the head multiplies.
// Dtypes: activations bf16 | f16; matrices of one type each, that or f8_e4m3 with scales f32 [out];
//   cache the activations' type | f8_e4m3; all else in the activations' type; cos_sin f32.
//   Sums, residual, scores and softmax in f32; normed, q, attended and gated vectors are rounded.
// Order: every sum runs in an order fixed by the shapes and the context's length: the same bits
//   from run to run and on every GPU with as many multiprocessors.
// A batch row that only fills up (slot -1, context_len 0) gives finite but meaningless logits.
// Preconditions: as rope_kv_append and paged_attention; an id outside the table counts as zeros.
// Cost: reads the weights and the visible cache once; 5 waits of all multiprocessors for each
//   other a layer (about 2 us each, during which the stream goes on).
// Tolerance: that of the composed operations: what one rounding of the vectors named above moves.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "kernels/kernel_tasks.h"
#include "kernels/linear/linear.h"
#include "kernels/paged_kv.h"

namespace fathom::kernels {

struct DecodeRowLayer {
  tensor::View attention_norm;    // [hidden]
  LinearWeight qkv;               // [(num_heads + 2 * num_kv_heads) * head_dim, hidden]
  LinearWeight attention_output;  // [hidden, num_heads * head_dim]
  tensor::View mlp_norm;          // [hidden]
  LinearWeight gate_up;           // [2 * intermediate, hidden]
  LinearWeight down;              // [hidden, intermediate]
  PagedKv kv;
};

struct DecodeRowModel {
  std::vector<DecodeRowLayer> layers;
  tensor::View embedding;   // [vocab_rows, hidden]
  tensor::View final_norm;  // [hidden]
  LinearWeight head;        // [vocab_rows, hidden]
  tensor::View cos_sin;     // f32 [max_position, 2, head_dim / 2]
  std::int64_t num_heads = 0;
  float epsilon = 1e-6F;
  float scale = 0.0F;  // of the scores
};

struct DecodeRowArgs {
  tensor::View ids;
  RaggedBatch batch;
  tensor::MutableView logits;
  tensor::MutableView hidden_state;
};

// Whether the stream's device runs this model so. It needs: sm_90; matrices of one block whose rows
// are multiples of 16 bytes, and which lie, as the norms do, at multiples of 16 bytes; a bias at
// most on QKV; hidden and num_heads * head_dim at most 4096, intermediate at most 20480; head_dim
// 16, 32, 64 or 128; a power of two of tokens in a cache block; no more heads than multiprocessors;
// no i8 or f32 cache; at most 64 layers, all alike.
bool supports_decode_row(const DecodeRowModel& model, device::Stream& stream);

// What a step needs besides its arguments: the addresses of the model's arrays, and a workspace.
// One step at a time; the model's arrays must outlive it.
class DecodeRowPlan {
 public:
  // For a model that supports_decode_row(). Allocates.
  static base::Result<DecodeRowPlan> create(const DecodeRowModel& model, device::Stream& stream);

  const DecodeRowTask& task() const { return task_; }
  std::size_t memory_bytes() const { return memory_.size_bytes(); }

 private:
  DecodeRowPlan() = default;
  base::Result<void> allocate(device::Device& device);

  device::Buffer memory_;
  DecodeRowTask task_;
};

// Enqueues the step; may be recorded.
void decode_row(const DecodeRowPlan& plan, const DecodeRowArgs& args, device::Stream& stream);
void decode_row_reference(const DecodeRowModel& model, const DecodeRowArgs& args);

}  // namespace fathom::kernels
