// The layers of the decoder as a sequence of operations, and the plan of their workspace.
#include "model/decoder.h"

#include <cmath>
#include <vector>

#include "base/checked.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gather_rows/gather_rows.h"
#include "kernels/linear/linear.h"
#include "kernels/paged_attention/paged_attention.h"
#include "kernels/residual_rms_norm/residual_rms_norm.h"
#include "kernels/rope_kv_append/rope_kv_append.h"
#include "kernels/silu_mul/silu_mul.h"

namespace fathom::model {

using tensor::DType;
using tensor::MutableView;
using tensor::Shape;

namespace {

// Every array starts on its own cache line, so that no two kernels' outputs share one.
constexpr std::size_t kAlignmentBytes = 64;

// Hands out consecutive arrays of one allocation; with no memory it only adds up their sizes.
class Planner {
 public:
  explicit Planner(std::byte* memory) : memory_(memory) {}

  MutableView place(DType dtype, const Shape& shape) {
    MutableView view{memory_ == nullptr ? nullptr : memory_ + used_bytes_, dtype, shape};
    used_bytes_ += base::ceil_div(view.num_bytes(), kAlignmentBytes) * kAlignmentBytes;
    return view;
  }
  std::size_t used_bytes() const { return used_bytes_; }

 private:
  std::byte* memory_;
  std::size_t used_bytes_ = 0;
};

}  // namespace

base::Result<Decoder> Decoder::create(std::shared_ptr<const Weights> weights,
                                      device::Device& device, const DecoderLimits& limits) {
  Decoder decoder;
  decoder.weights_ = std::move(weights);
  decoder.limits_ = limits;
  decoder.memory_ = TRY(device.allocate(decoder.plan(nullptr)));
  decoder.plan(static_cast<std::byte*>(decoder.memory_.data()));
  auto stream = TRY(device.create_stream());
  const std::vector<float> table = cos_sin_table(decoder.spec(), limits.max_context_tokens);
  stream->copy_to_device(decoder.workspace_.cos_sin.data, table.data(),
                         table.size() * sizeof(float));
  TRY(stream->synchronize());
  return decoder;
}

std::size_t Decoder::plan(std::byte* memory) {
  const spec::ModelSpec& model = spec();
  const DType dtype = weights_->compute_dtype();
  const std::int64_t tokens = limits_.max_step_tokens;
  Planner planner(memory);
  Workspace& w = workspace_;
  w.residual = planner.place(DType::kF32, {tokens, model.hidden_size});
  w.normed = planner.place(dtype, {tokens, model.hidden_size});
  w.delta = planner.place(dtype, {tokens, model.hidden_size});
  w.qkv = planner.place(dtype, {tokens, model.q_size() + 2 * model.kv_size()});
  w.queries = planner.place(dtype, {tokens, model.num_heads, model.head_dim});
  w.attended = planner.place(dtype, {tokens, model.num_heads, model.head_dim});
  w.gate_up = planner.place(dtype, {tokens, 2 * model.intermediate_size});
  w.gated = planner.place(dtype, {tokens, model.intermediate_size});
  w.selected = planner.place(dtype, {limits_.max_logit_rows, model.hidden_size});
  w.logits = planner.place(DType::kF32, {limits_.max_logit_rows, model.vocab_rows});
  w.cos_sin = planner.place(DType::kF32, {limits_.max_context_tokens, 2, model.head_dim / 2});
  return planner.used_bytes();
}

void Decoder::forward(const StepInputs& inputs, const KvCache& cache, device::Stream& stream) {
  const std::int64_t tokens = inputs.batch.num_tokens();
  const std::int64_t logit_rows = inputs.logit_rows.shape[0];
  CHECK(tokens <= limits_.max_step_tokens && logit_rows <= limits_.max_logit_rows &&
            inputs.batch.num_sequences() <= limits_.max_sequences,
        "a step of {} tokens, {} sequences and {} logit rows is over the planned limits", tokens,
        inputs.batch.num_sequences(), logit_rows);
  const Workspace& w = workspace_;
  const auto epsilon = static_cast<float>(spec().rms_norm_eps);
  const MutableView residual = w.residual.first_rows(tokens);
  const MutableView normed = w.normed.first_rows(tokens);
  kernels::embedding({.ids = inputs.ids, .table = weights_->embedding(), .y = residual}, stream);
  tensor::View delta;  // the first layer adds nothing to the embedding
  for (std::int64_t i = 0; i < spec().num_layers; ++i) {
    const LayerWeights& layer = weights_->layers()[static_cast<std::size_t>(i)];
    kernels::residual_rms_norm({.residual = residual,
                                .delta = delta,
                                .weight = layer.attention_norm,
                                .y = normed,
                                .epsilon = epsilon},
                               stream);
    run_attention(layer, cache.layer(i), inputs.batch, stream);
    delta = w.delta.first_rows(tokens);
    kernels::residual_rms_norm({.residual = residual,
                                .delta = delta,
                                .weight = layer.mlp_norm,
                                .y = normed,
                                .epsilon = epsilon},
                               stream);
    run_mlp(layer, tokens, stream);
  }
  kernels::residual_rms_norm({.residual = residual,
                              .delta = delta,
                              .weight = weights_->final_norm(),
                              .y = normed,
                              .epsilon = epsilon},
                             stream);
  const MutableView selected = w.selected.first_rows(logit_rows);
  kernels::gather_rows({.x = normed, .rows = inputs.logit_rows, .y = selected}, stream);
  kernels::linear({.x = selected, .weight = weights_->head(), .y = logits(logit_rows)}, stream);
}

void Decoder::run_attention(const LayerWeights& layer, const kernels::PagedKv& kv,
                            const kernels::RaggedBatch& batch, device::Stream& stream) {
  const Workspace& w = workspace_;
  const std::int64_t tokens = batch.num_tokens();
  const MutableView qkv = w.qkv.first_rows(tokens);
  const MutableView queries = w.queries.first_rows(tokens);
  const MutableView attended = w.attended.first_rows(tokens);
  kernels::linear({.x = w.normed.first_rows(tokens), .weight = layer.qkv, .y = qkv}, stream);
  kernels::rope_kv_append(
      {.qkv = qkv, .cos_sin = w.cos_sin, .batch = batch, .q = queries, .cache = kv}, stream);
  kernels::paged_attention({.q = queries,
                            .batch = batch,
                            .cache = kv,
                            .scale = 1.0F / std::sqrt(static_cast<float>(spec().head_dim)),
                            .y = attended},
                           stream);
  const MutableView flat{attended.data, attended.dtype, {tokens, spec().q_size()}};
  kernels::linear({.x = flat, .weight = layer.attention_output, .y = w.delta.first_rows(tokens)},
                  stream);
}

void Decoder::run_mlp(const LayerWeights& layer, std::int64_t tokens, device::Stream& stream) {
  const Workspace& w = workspace_;
  const MutableView gate_up = w.gate_up.first_rows(tokens);
  const MutableView gated = w.gated.first_rows(tokens);
  kernels::linear({.x = w.normed.first_rows(tokens), .weight = layer.gate_up, .y = gate_up},
                  stream);
  kernels::silu_mul({.gate_up = gate_up, .y = gated}, stream);
  kernels::linear({.x = gated, .weight = layer.down, .y = w.delta.first_rows(tokens)}, stream);
}

std::vector<float> cos_sin_table(const spec::ModelSpec& spec, std::int64_t num_positions) {
  const std::vector<float> frequencies = spec::rope_frequencies(spec.rope, spec.head_dim);
  const std::size_t half = frequencies.size();
  std::vector<float> table(static_cast<std::size_t>(num_positions) * 2 * half);
  for (std::size_t position = 0; position < static_cast<std::size_t>(num_positions); ++position) {
    float* cosines = table.data() + position * 2 * half;
    for (std::size_t i = 0; i < half; ++i) {
      // The angle is rounded to float first, as in the models' reference code.
      const float angle = static_cast<float>(position) * frequencies[i];
      cosines[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      cosines[half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  return table;
}

}  // namespace fathom::model
