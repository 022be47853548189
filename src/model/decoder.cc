// The layers of the decoder as a sequence of operations, and the plan of their workspace.
#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "footprint/decoder_arrays.h"
#include "kernels/device_shape.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gather_rows/gather_rows.h"
#include "kernels/linear/linear.h"
#include "kernels/paged_attention/paged_attention.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope_kv_append/rope_kv_append.h"
#include "kernels/silu_mul/silu_mul.h"

namespace fathom::model {

using tensor::DType;
using tensor::MutableView;

base::Result<Decoder> Decoder::create(std::shared_ptr<const Weights> weights,
                                      device::Device& device, const DecoderLimits& limits) {
  Decoder decoder;
  decoder.weights_ = std::move(weights);
  decoder.limits_ = limits;
  TRY(decoder.prepare(device));
  TRY(decoder.allocate(device));
  auto stream = TRY(device.create_stream());
  const std::vector<float> table = cos_sin_table(decoder.spec(), limits.max_context_tokens);
  stream->copy_to_device(decoder.workspace_.cos_sin.data, table.data(),
                         table.size() * sizeof(float));
  TRY(stream->synchronize());
  return decoder;
}

// Has the products' algorithms chosen for the shapes and types to come.
base::Result<void> Decoder::prepare(device::Device& device) const {
  const DType dtype = weights_->compute_dtype();
  std::vector<kernels::LinearShape> shapes;
  const auto add = [&](const kernels::LinearWeight& weight, DType y_type, bool accumulate) {
    shapes.push_back({.in = weight.in_features(),
                      .out = weight.out_features(),
                      .x_type = dtype,
                      .weight_type = weight.blocks[0].weight.dtype,
                      .y_type = y_type,
                      .accumulate = accumulate,
                      .batch_invariant = limits_.determinism == Determinism::kBatch});
  };
  const LayerWeights& layer = weights_->layers().front();
  add(layer.qkv, dtype, false);
  add(layer.attention_output, DType::kF32, true);
  add(layer.gate_up, dtype, false);
  add(layer.down, DType::kF32, true);
  TRY(kernels::prepare_linear(device, shapes, limits_.max_step_tokens));
  shapes.clear();
  add(weights_->head(), DType::kF32, false);
  return kernels::prepare_linear(device, shapes, limits_.max_logit_rows);
}

base::Result<void> Decoder::allocate(device::Device& device) {
  const footprint::DecoderArrays arrays =
      footprint::decoder_arrays(spec(),
                                {.compute_dtype = weights_->compute_dtype(),
                                 .max_step_tokens = limits_.max_step_tokens,
                                 .max_logit_rows = limits_.max_logit_rows,
                                 .max_context_tokens = limits_.max_context_tokens,
                                 .quantizes_rows = quantizes(limits_.max_step_tokens)},
                                kernels::device_shape(device));
  memory_ = TRY(device.allocate(static_cast<std::size_t>(arrays.total_bytes)));
  const auto at = [this](const footprint::PlacedArray& array) {
    return MutableView{static_cast<std::byte*>(memory_.data()) + array.offset_bytes, array.dtype,
                       array.shape};
  };
  workspace_ = {.residual = at(arrays.residual),
                .normed = at(arrays.normed),
                .qkv = at(arrays.qkv),
                .queries = at(arrays.queries),
                .attended = at(arrays.attended),
                .gate_up = at(arrays.gate_up),
                .gated = at(arrays.gated),
                .selected = at(arrays.selected),
                .logits = at(arrays.logits),
                .cos_sin = at(arrays.cos_sin),
                .attention = at(arrays.attention),
                .linear = at(arrays.linear),
                .quantized = at(arrays.quantized),
                .scales = at(arrays.scales)};
  return {};
}

kernels::DecodeRowModel Decoder::row_model(const KvCache& cache) const {
  kernels::DecodeRowModel model;
  for (std::int64_t i = 0; i < spec().num_layers; ++i) {
    const LayerWeights& layer = weights_->layers()[static_cast<std::size_t>(i)];
    model.layers.push_back({.attention_norm = layer.attention_norm,
                            .qkv = layer.qkv,
                            .attention_output = layer.attention_output,
                            .mlp_norm = layer.mlp_norm,
                            .gate_up = layer.gate_up,
                            .down = layer.down,
                            .kv = cache.layer(i)});
  }
  model.embedding = weights_->embedding();
  model.final_norm = weights_->final_norm();
  model.head = weights_->head();
  model.cos_sin = workspace_.cos_sin;
  model.num_heads = spec().num_heads;
  model.epsilon = static_cast<float>(spec().rms_norm_eps);
  model.scale = 1.0F / std::sqrt(static_cast<float>(spec().head_dim));
  return model;
}

base::Result<void> Decoder::attach(const KvCache& cache, device::Stream& stream) {
  // Its sums run in another order than those of many rows.
  if (limits_.determinism == Determinism::kBatch) return {};
  const kernels::DecodeRowModel model = row_model(cache);
  if (!kernels::supports_decode_row(model, stream)) return {};
  row_plan_ = TRY(kernels::DecodeRowPlan::create(model, stream));
  return {};
}

void Decoder::forward(const StepInputs& inputs, const KvCache& cache, device::Stream& stream) {
  const std::int64_t tokens = inputs.batch.num_tokens();
  const std::int64_t logit_rows = inputs.logit_rows.shape[0];
  CHECK(tokens <= limits_.max_step_tokens && logit_rows <= limits_.max_logit_rows &&
            inputs.batch.num_sequences() <= limits_.max_sequences,
        "a step of {} tokens, {} sequences and {} logit rows is over the planned limits", tokens,
        inputs.batch.num_sequences(), logit_rows);
  const Workspace& w = workspace_;
  if (row_plan_ && tokens == 1 && logit_rows == 1) {
    return kernels::decode_row(*row_plan_,
                               {.ids = inputs.ids,
                                .batch = inputs.batch,
                                .logits = logits(1),
                                .hidden_state = w.normed.first_rows(1)},
                               stream);
  }
  kernels::embedding(
      {.ids = inputs.ids, .table = weights_->embedding(), .y = w.residual.first_rows(tokens)},
      stream);
  for (std::int64_t i = 0; i < spec().num_layers; ++i) {
    const LayerWeights& layer = weights_->layers()[static_cast<std::size_t>(i)];
    run_attention(layer, cache.layer(i), inputs.batch, stream);
    run_mlp(layer, tokens, stream);
  }
  const MutableView normed = w.normed.first_rows(tokens);
  run_norm(weights_->final_norm(), {.values = normed, .scales = {}}, stream);
  const MutableView selected = w.selected.first_rows(logit_rows);
  kernels::gather_rows({.x = normed, .rows = inputs.logit_rows, .y = selected}, stream);
  run_linear({.values = selected, .scales = {}}, weights_->head(), logits(logit_rows), stream);
}

bool Decoder::quantizes(std::int64_t tokens) const {
  return weights_->layers().front().qkv.blocks[0].weight.dtype == DType::kF8E4M3 &&
         tokens > kernels::kMaxUnquantizedTokens && limits_.determinism != Determinism::kBatch;
}

Decoder::Rows Decoder::rows_for_product(const MutableView& wide, std::int64_t tokens) const {
  if (!quantizes(tokens)) return {.values = wide.first_rows(tokens), .scales = {}};
  return {.values = {workspace_.quantized.data, DType::kF8E4M3, {tokens, wide.shape[1]}},
          .scales = workspace_.scales.first_rows(tokens)};
}

void Decoder::run_norm(const tensor::View& weight, const Rows& y, device::Stream& stream) {
  kernels::rms_norm({.x = workspace_.residual.first_rows(y.values.shape[0]),
                     .weight = weight,
                     .y = y.values,
                     .y_scales = y.scales,
                     .epsilon = static_cast<float>(spec().rms_norm_eps)},
                    stream);
}

void Decoder::run_linear(const Rows& x, const kernels::LinearWeight& weight, const MutableView& y,
                         device::Stream& stream) {
  kernels::linear({.x = x.values,
                   .x_scales = x.scales,
                   .weight = weight,
                   .y = y,
                   .accumulate = y.data == workspace_.residual.data,
                   .batch_invariant = limits_.determinism == Determinism::kBatch,
                   .workspace = workspace_.linear},
                  stream);
}

void Decoder::run_attention(const LayerWeights& layer, const kernels::PagedKv& kv,
                            const kernels::RaggedBatch& batch, device::Stream& stream) {
  const Workspace& w = workspace_;
  const std::int64_t tokens = batch.num_tokens();
  const MutableView qkv = w.qkv.first_rows(tokens);
  const MutableView queries = w.queries.first_rows(tokens);
  const MutableView attended = w.attended.first_rows(tokens);
  const Rows normed = rows_for_product(w.normed, tokens);
  run_norm(layer.attention_norm, normed, stream);
  run_linear(normed, layer.qkv, qkv, stream);
  kernels::rope_kv_append(
      {.qkv = qkv, .cos_sin = w.cos_sin, .batch = batch, .q = queries, .cache = kv}, stream);
  kernels::paged_attention({.q = queries,
                            .batch = batch,
                            .cache = kv,
                            .scale = 1.0F / std::sqrt(static_cast<float>(spec().head_dim)),
                            .y = attended,
                            .workspace = w.attention,
                            .batch_invariant = limits_.determinism == Determinism::kBatch},
                           stream);
  const MutableView flat{attended.data, attended.dtype, {tokens, spec().q_size()}};
  const Rows rows = rows_for_product(flat, tokens);
  if (quantizes(tokens)) {
    kernels::quantize_rows({.x = flat, .y = rows.values, .scales = rows.scales}, stream);
  }
  run_linear(rows, layer.attention_output, w.residual.first_rows(tokens), stream);
}

void Decoder::run_mlp(const LayerWeights& layer, std::int64_t tokens, device::Stream& stream) {
  const Workspace& w = workspace_;
  const MutableView gate_up = w.gate_up.first_rows(tokens);
  const Rows normed = rows_for_product(w.normed, tokens);
  run_norm(layer.mlp_norm, normed, stream);
  run_linear(normed, layer.gate_up, gate_up, stream);
  const Rows gated = rows_for_product(w.gated, tokens);
  kernels::silu_mul({.gate_up = gate_up, .y = gated.values, .y_scales = gated.scales}, stream);
  run_linear(gated, layer.down, w.residual.first_rows(tokens), stream);
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
