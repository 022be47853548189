// Values from one block, at random offsets; and the weights of a whole model of them.
#include "model/random_weights.h"

#include <algorithm>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "tensor/convert.h"

namespace fathom::model {

using base::Result;
using kernels::LinearWeight;
using tensor::DType;
using tensor::MutableView;
using tensor::Shape;
using tensor::View;

namespace {

constexpr float kDeviation = 0.02F;
// Copies of a chunk begin anywhere in the slack behind it. Both numbers of values.
constexpr std::int64_t kChunkValues = std::int64_t{1} << 22;
constexpr std::int64_t kSlackValues = std::int64_t{1} << 20;
constexpr std::int64_t kMaxOnes = std::int64_t{1} << 16;

// Host memory from which the device copies without a detour.
Result<device::Buffer> host_copy(device::Device& device, std::span<const float> values,
                                 DType dtype) {
  const auto count = static_cast<std::int64_t>(values.size());
  auto buffer =
      TRY(device.allocate(values.size() * tensor::size_bytes(dtype), device::Place::kHost));
  tensor::convert({values.data(), DType::kF32, {count}}, {buffer.data(), dtype, {count}});
  return buffer;
}

}  // namespace

Result<RandomTensors> RandomTensors::create(device::Device& device, DType dtype,
                                            std::uint64_t seed) {
  RandomTensors made;
  made.device_ = &device;
  made.dtype_ = dtype;
  made.random_.seed(seed);
  made.stream_ = TRY(device.create_stream());
  std::normal_distribution<float> normal(0.0F, kDeviation);
  std::vector<float> values(static_cast<std::size_t>(kChunkValues + kSlackValues));
  for (float& value : values) value = normal(made.random_);
  made.pattern_ = TRY(host_copy(device, values, dtype));
  made.ones_ =
      TRY(host_copy(device, std::vector<float>(static_cast<std::size_t>(kMaxOnes), 1.0F), dtype));
  return made;
}

Result<View> RandomTensors::array(const Shape& shape) {
  const MutableView view = TRY(place(dtype_, shape));
  fill(view);
  return view;
}

Result<View> RandomTensors::ones(std::int64_t size) {
  CHECK(size <= kMaxOnes, "a norm of {} values", size);
  const MutableView view = TRY(place(dtype_, {size}));
  stream_->copy_to_device(view.data, ones_.data(), view.num_bytes());
  return view;
}

Result<LinearWeight> RandomTensors::linear(std::int64_t out_features, std::int64_t in_features,
                                           const LinearOptions& options) {
  LinearWeight weight;
  weight.num_blocks = 1;
  kernels::LinearBlock& block = weight.blocks[0];
  if (options.in_fp8) {
    TRY(quantized(out_features, in_features, block));
  } else {
    block.weight = TRY(array({out_features, in_features}));
  }
  if (options.has_bias) block.bias = TRY(array({out_features}));
  return weight;
}

Result<std::vector<device::Buffer>> RandomTensors::take_buffers() {
  TRY(stream_->synchronize());
  return std::exchange(buffers_, {});
}

Result<MutableView> RandomTensors::place(DType dtype, const Shape& shape) {
  const MutableView view{nullptr, dtype, shape};
  buffers_.push_back(TRY(device_->allocate(view.num_bytes())));
  return MutableView{buffers_.back().data(), dtype, shape};
}

void RandomTensors::fill(const MutableView& view) {
  const std::size_t value_bytes = tensor::size_bytes(dtype_);
  const std::size_t chunk_bytes = static_cast<std::size_t>(kChunkValues) * value_bytes;
  // Offsets of a multiple of 64 bytes, so that every copy runs at full speed.
  std::uniform_int_distribution<std::size_t> offsets(
      0, static_cast<std::size_t>(kSlackValues) * value_bytes / 64);
  auto* target = static_cast<std::byte*>(view.data);
  for (std::size_t at = 0; at < view.num_bytes(); at += chunk_bytes) {
    const auto* source = static_cast<const std::byte*>(pattern_.data()) + offsets(random_) * 64;
    stream_->copy_to_device(target + at, source, std::min(chunk_bytes, view.num_bytes() - at));
  }
}

Result<void> RandomTensors::quantized(std::int64_t rows, std::int64_t columns,
                                      kernels::LinearBlock& block) {
  const MutableView weight = TRY(place(DType::kF8E4M3, {rows, columns}));
  const MutableView scales = TRY(place(DType::kF32, {rows}));
  // Used by one matrix after another, in stream order.
  const std::int64_t piece_rows = std::max<std::int64_t>(kChunkValues / columns, 1);
  const MutableView wide{nullptr, dtype_, {piece_rows, columns}};
  if (wide_.size_bytes() < wide.num_bytes()) {
    TRY(stream_->synchronize());
    wide_ = TRY(device_->allocate(wide.num_bytes()));
  }
  for (std::int64_t first = 0; first < rows; first += piece_rows) {
    const std::int64_t count = std::min(piece_rows, rows - first);
    const MutableView piece{wide_.data(), dtype_, {count, columns}};
    fill(piece);
    auto* bytes = static_cast<std::byte*>(weight.data);
    kernels::quantize_rows({.x = piece,
                            .y = {bytes + first * columns, DType::kF8E4M3, piece.shape},
                            .scales = {scales.as<float>() + first, DType::kF32, {count}}},
                           *stream_);
  }
  block.weight = weight;
  block.scales = scales;
  return {};
}

Result<Weights> random_weights(const spec::ModelSpec& spec, device::Device& device,
                               const WeightOptions& options, std::uint64_t seed) {
  // As in the models' own checkpoints, which f32 compute widens on the fly.
  const DType stored =
      options.compute_dtype == DType::kF32 ? DType::kBF16 : options.compute_dtype;
  RandomTensors make = TRY(RandomTensors::create(device, stored, seed));
  const bool in_fp8 = options.matrices_in_fp8;
  const std::int64_t hidden = spec.hidden_size;
  WeightViews views;
  views.embedding = TRY(make.array({spec.vocab_rows, hidden}));
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    LayerWeights layer;
    layer.attention_norm = TRY(make.ones(hidden));
    layer.qkv = TRY(make.linear(spec.q_size() + 2 * spec.kv_size(), hidden, {in_fp8, spec.qkv_bias}));
    layer.attention_output = TRY(make.linear(hidden, spec.q_size(), {in_fp8, spec.attention_output_bias}));
    layer.mlp_norm = TRY(make.ones(hidden));
    layer.gate_up = TRY(make.linear(2 * spec.intermediate_size, hidden, {in_fp8, spec.mlp_bias}));
    layer.down = TRY(make.linear(hidden, spec.intermediate_size, {in_fp8, spec.mlp_bias}));
    views.layers.push_back(layer);
  }
  views.final_norm = TRY(make.ones(hidden));
  if (spec.tied_embeddings) {
    views.head.blocks[0].weight = views.embedding;
    views.head.num_blocks = 1;
  } else {
    views.head = TRY(make.linear(spec.vocab_rows, hidden, {in_fp8, false}));
  }
  auto owners = TRY(make.take_buffers());
  return Weights(spec, options.compute_dtype, std::move(views), std::move(owners));
}

}  // namespace fathom::model
