// The operations' references, one after another, with products in f32.
#include <vector>

#include "kernels/decode_row/decode_row.h"
#include "kernels/element.h"
#include "kernels/embedding/embedding.h"
#include "kernels/paged_attention/paged_attention.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope_kv_append/rope_kv_append.h"
#include "kernels/silu_mul/silu_mul.h"

namespace fathom::kernels {

using tensor::DType;
using tensor::MutableView;

namespace {

// A zeroed array.
class Vector {
 public:
  Vector(DType dtype, tensor::Shape shape)
      : bytes_(MutableView{nullptr, dtype, shape}.num_bytes()),
        view_{bytes_.data(), dtype, shape} {}
  // NOLINTNEXTLINE(google-explicit-constructor): a vector is its view
  operator MutableView() const { return view_; }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator tensor::View() const { return view_; }
  MutableView as_row() const { return {view_.data, view_.dtype, {1, view_.shape.num_elements()}}; }

 private:
  std::vector<std::byte> bytes_;
  MutableView view_;
};

}  // namespace

void decode_row_reference(const DecodeRowModel& model, const DecodeRowArgs& args) {
  const DType type = model.embedding.dtype;
  const std::int64_t hidden = model.embedding.shape[1];
  const PagedKv& first = model.layers.front().kv;
  const std::int64_t intermediate = model.layers.front().down.in_features();
  const tensor::Shape heads{1, model.num_heads, first.head_dim()};
  const Vector residual(DType::kF32, {1, hidden});
  const Vector normed(type, {1, hidden});
  const Vector qkv(DType::kF32,
                   {1, (model.num_heads + 2 * first.num_kv_heads()) * first.head_dim()});
  const Vector q(type, heads);
  const Vector attended(type, heads);
  const Vector gate_up(DType::kF32, {1, 2 * intermediate});
  const Vector gated(type, {1, intermediate});
  embedding_reference({.ids = args.ids, .table = model.embedding, .y = residual});
  for (const DecodeRowLayer& layer : model.layers) {
    rms_norm_reference(
        {.x = residual, .weight = layer.attention_norm, .y = normed, .epsilon = model.epsilon});
    linear_reference({.x = normed, .weight = layer.qkv, .y = qkv});
    rope_kv_append_reference(
        {.qkv = qkv, .cos_sin = model.cos_sin, .batch = args.batch, .q = q, .cache = layer.kv});
    paged_attention_reference(
        {.q = q, .batch = args.batch, .cache = layer.kv, .scale = model.scale, .y = attended});
    linear_reference({.x = attended.as_row(),
                      .weight = layer.attention_output,
                      .y = residual,
                      .accumulate = true});
    rms_norm_reference(
        {.x = residual, .weight = layer.mlp_norm, .y = normed, .epsilon = model.epsilon});
    linear_reference({.x = normed, .weight = layer.gate_up, .y = gate_up});
    silu_mul_reference({.gate_up = gate_up, .y = gated});
    linear_reference({.x = gated, .weight = layer.down, .y = residual, .accumulate = true});
  }
  rms_norm_reference({.x = residual,
                      .weight = model.final_norm,
                      .y = args.hidden_state,
                      .epsilon = model.epsilon});
  linear_reference({.x = args.hidden_state, .weight = model.head, .y = args.logits});
}

}  // namespace fathom::kernels
