// Decoder: the forward pass of a Llama-like transformer over a paged KV cache, written once
// against the operations of src/kernels for every device.
//
// All memory a step needs is planned and allocated by create(); forward() only enqueues kernels.
// One step at a time: the workspace belongs to the step until the next forward().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "kernels/decode_row/decode_row.h"
#include "kernels/paged_kv.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace fathom::model {

// What a row's bits may depend on, beside its own sequence. On the CPU always kBatch.
enum class Determinism {
  kSchedule,  // the same steps give the same bits
  kBatch,     // the same request does, whatever else is in its steps and however it is cut
};

struct DecoderLimits {
  std::int64_t max_step_tokens = 0;     // rows of one step
  std::int64_t max_sequences = 0;       // sequences of one step
  std::int64_t max_logit_rows = 0;      // rows whose logits one step may ask for
  std::int64_t max_context_tokens = 0;  // highest position + 1
  Determinism determinism = Determinism::kSchedule;
};

// One step's input, in device memory.
struct StepInputs {
  tensor::View ids;  // i32 [num_tokens]
  kernels::RaggedBatch batch;
  tensor::View logit_rows;  // i32 [num_logit_rows]: rows whose logits are wanted
};

// Cosines and sines of every position: [num_positions, 2, head_dim / 2].
std::vector<float> cos_sin_table(const spec::ModelSpec& spec, std::int64_t num_positions);

class Decoder {
 public:
  static base::Result<Decoder> create(std::shared_ptr<const Weights> weights,
                                      device::Device& device, const DecoderLimits& limits);

  // Once, before the first forward() over `cache`, which must outlive the decoder's last step:
  // prepares what depends on where it is.
  base::Result<void> attach(const KvCache& cache, device::Stream& stream);

  // Enqueues the step: appends its keys and values to `cache`, leaves logits() and
  // hidden_states(). What it enqueues follows from the shapes of the inputs and where they are, so
  // that a device may record it.
  void forward(const StepInputs& inputs, const KvCache& cache, device::Stream& stream);

  // Of the last forward(), valid in stream order until the next: the first rows of its logits,
  // f32 [num_rows, vocab_rows].
  tensor::MutableView logits(std::int64_t num_rows) const {
    return workspace_.logits.first_rows(num_rows);
  }
  // The hidden states behind the last layer, normalized, in the compute type:
  // [num_rows, hidden_size].
  tensor::View hidden_states(std::int64_t num_rows) const {
    return workspace_.normed.first_rows(num_rows);
  }

  const spec::ModelSpec& spec() const { return weights_->spec(); }
  const DecoderLimits& limits() const { return limits_; }
  // Of all that forward() uses, the logits apart.
  std::size_t workspace_bytes() const {
    return memory_.size_bytes() - logits_bytes() + (row_plan_ ? row_plan_->memory_bytes() : 0);
  }
  std::size_t logits_bytes() const { return workspace_.logits.num_bytes(); }

 private:
  struct Workspace {
    tensor::MutableView residual;   // f32 [tokens, hidden]
    tensor::MutableView normed;     // [tokens, hidden]
    tensor::MutableView qkv;        // [tokens, q_size + 2 * kv_size]
    tensor::MutableView queries;    // [tokens, num_heads, head_dim]
    tensor::MutableView attended;   // [tokens, num_heads, head_dim]
    tensor::MutableView gate_up;    // [tokens, 2 * intermediate]
    tensor::MutableView gated;      // [tokens, intermediate]
    tensor::MutableView selected;   // [logit rows, hidden]
    tensor::MutableView logits;     // f32 [logit rows, vocab_rows]
    tensor::MutableView cos_sin;    // f32 [max_context, 2, head_dim / 2]
    tensor::MutableView attention;  // what paged_attention asks for
    tensor::MutableView linear;     // what linear asks for
    // With fp8 matrices: normed, attended or gated rows as the next product reads them.
    tensor::MutableView quantized;  // f8_e4m3 [tokens, widest of them]
    tensor::MutableView scales;     // f32 [tokens]
  };

  // Values, with a scale for each row if they are in fp8.
  struct Rows {
    tensor::MutableView values;
    tensor::MutableView scales;
  };

  Decoder() = default;
  // Takes the workspace.
  base::Result<void> allocate(device::Device& device);
  base::Result<void> prepare(device::Device& device) const;
  kernels::DecodeRowModel row_model(const KvCache& cache) const;
  // Whether products of so many rows read them in fp8.
  bool quantizes(std::int64_t tokens) const;
  // Places for rows that a product reads: in fp8 if it wants them so, else `wide`.
  Rows rows_for_product(const tensor::MutableView& wide, std::int64_t tokens) const;
  void run_norm(const tensor::View& weight, const Rows& y, device::Stream& stream);
  // y = x W^T + b; accumulates if y is the residual.
  void run_linear(const Rows& x, const kernels::LinearWeight& weight, const tensor::MutableView& y,
                  device::Stream& stream);
  // Both read the residual and add to it.
  void run_attention(const LayerWeights& layer, const kernels::PagedKv& kv,
                     const kernels::RaggedBatch& batch, device::Stream& stream);
  void run_mlp(const LayerWeights& layer, std::int64_t tokens, device::Stream& stream);

  std::shared_ptr<const Weights> weights_;
  DecoderLimits limits_;
  device::Buffer memory_;
  Workspace workspace_;
  std::optional<kernels::DecodeRowPlan> row_plan_;  // where one row may run as one kernel
};

}  // namespace fathom::model
