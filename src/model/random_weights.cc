// Copies of one block of values, and the arrays of a whole model.
#include "model/random_weights.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "footprint/weights.h"
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
// Of fp8 weights, whose greatest code is 448: five deviations are within.
constexpr float kFp8Scale = 5 * kDeviation / 448;
constexpr std::size_t kAlignmentBytes = footprint::kWeightAlignmentBytes;
// A copy takes at most a chunk, from anywhere in the slack before it; in values.
constexpr std::size_t kChunkValues = std::size_t{1} << 20;
constexpr std::size_t kSlackValues = std::size_t{1} << 18;
// Copies begin at multiples of this, so that all run at full speed.
constexpr std::size_t kOffsetBytes = 64;

// Every array of the shape, in the order of their use.
WeightViews take_all(const spec::ModelSpec& spec, RandomArrays& arrays) {
  const std::int64_t hidden = spec.hidden_size;
  WeightViews views;
  views.embedding = arrays.table(spec.vocab_rows, hidden);
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    LayerWeights& layer = views.layers.emplace_back();
    layer.attention_norm = arrays.ones(hidden);
    layer.qkv = arrays.matrix(spec.q_size() + 2 * spec.kv_size(), hidden, spec.qkv_bias);
    layer.attention_output = arrays.matrix(hidden, spec.q_size(), spec.attention_output_bias);
    layer.mlp_norm = arrays.ones(hidden);
    layer.gate_up = arrays.matrix(2 * spec.intermediate_size, hidden, spec.mlp_bias);
    layer.down = arrays.matrix(hidden, spec.intermediate_size, spec.mlp_bias);
  }
  views.final_norm = arrays.ones(hidden);
  if (spec.tied_embeddings) {
    views.head.num_blocks = 1;
    views.head.blocks[0].weight = views.embedding;
  } else {
    views.head = arrays.matrix(spec.vocab_rows, hidden, false);
  }
  return views;
}

}  // namespace

std::size_t RandomArrays::measure_bytes(const WeightOptions& options, const Build& build) {
  RandomArrays arrays(options);
  build(arrays);
  return arrays.used_bytes_;
}

Result<device::Buffer> RandomArrays::make(device::Device& device, const WeightOptions& options,
                                          std::uint64_t seed, const Build& build) {
  RandomArrays arrays(options);
  build(arrays);
  auto memory = TRY(device.allocate(arrays.used_bytes_));
  arrays.stream_ = TRY(device.create_stream());
  arrays.random_.seed(seed);
  for (Pattern& pattern : arrays.patterns_) TRY(arrays.draw(pattern, device));
  arrays.memory_ = static_cast<std::byte*>(memory.data());
  arrays.used_bytes_ = 0;
  build(arrays);
  TRY(arrays.stream_->synchronize());
  return memory;
}

Result<void> RandomArrays::draw(Pattern& pattern, device::Device& device) {
  std::vector<float> values(kChunkValues + kSlackValues, pattern.constant);
  if (pattern.constant == 0) {
    std::normal_distribution<float> normal(0.0F, kDeviation);
    for (float& value : values) value = normal(random_);
  }
  pattern.values =
      TRY(device.allocate(values.size() * tensor::size_bytes(pattern.dtype), device::Place::kHost));
  if (pattern.dtype == DType::kF8E4M3) {
    std::ranges::transform(values, static_cast<tensor::Float8E4M3*>(pattern.values.data()),
                           [](float value) { return tensor::to_float8_e4m3(value / kFp8Scale); });
    return {};
  }
  const Shape shape{std::ssize(values)};
  tensor::convert({values.data(), DType::kF32, shape},
                  {pattern.values.data(), pattern.dtype, shape});
  return {};
}

MutableView RandomArrays::place(DType dtype, const Shape& shape, float constant) {
  const MutableView view{memory_ == nullptr ? nullptr : memory_ + used_bytes_, dtype, shape};
  used_bytes_ += base::ceil_div(view.num_bytes(), kAlignmentBytes) * kAlignmentBytes;
  auto pattern = std::ranges::find_if(patterns_, [&](const Pattern& each) {
    return each.dtype == dtype && each.constant == constant;
  });
  if (memory_ != nullptr) {
    copy(*pattern, view);
  } else if (pattern == patterns_.end()) {
    patterns_.push_back({.dtype = dtype, .constant = constant, .values = {}});
  }
  return view;
}

void RandomArrays::copy(const Pattern& pattern, const MutableView& target) {
  const std::size_t value_bytes = tensor::size_bytes(target.dtype);
  const std::size_t chunk_bytes = kChunkValues * value_bytes;
  std::uniform_int_distribution<std::size_t> offsets(0, kSlackValues * value_bytes / kOffsetBytes);
  const auto* source = static_cast<const std::byte*>(pattern.values.data());
  for (std::size_t at = 0; at < target.num_bytes(); at += chunk_bytes) {
    stream_->copy_to_device(static_cast<std::byte*>(target.data) + at,
                            source + offsets(random_) * kOffsetBytes,
                            std::min(chunk_bytes, target.num_bytes() - at));
  }
}

DType RandomArrays::stored_dtype() const {
  return compute_dtype_ == DType::kF32 ? DType::kBF16 : compute_dtype_;
}

View RandomArrays::table(std::int64_t rows, std::int64_t columns) {
  return place(stored_dtype(), {rows, columns});
}

View RandomArrays::vector(std::int64_t size) { return place(stored_dtype(), {size}); }

View RandomArrays::ones(std::int64_t size) { return place(stored_dtype(), {size}, 1.0F); }

MutableView RandomArrays::activations(std::int64_t rows, std::int64_t columns) {
  return place(compute_dtype_, {rows, columns});
}

RandomArrays::Inputs RandomArrays::inputs(std::int64_t rows, std::int64_t columns) {
  if (!matrices_in_fp8_) return {.values = activations(rows, columns), .scales = {}};
  return {.values = place(DType::kF8E4M3, {rows, columns}),
          .scales = place(DType::kF32, {rows}, kFp8Scale)};
}

LinearWeight RandomArrays::matrix(std::int64_t out_features, std::int64_t in_features,
                                  bool has_bias) {
  LinearWeight weight;
  weight.num_blocks = 1;
  kernels::LinearBlock& block = weight.blocks[0];
  block.weight =
      place(matrices_in_fp8_ ? DType::kF8E4M3 : stored_dtype(), {out_features, in_features});
  if (matrices_in_fp8_) block.scales = place(DType::kF32, {out_features}, kFp8Scale);
  if (has_bias) block.bias = vector(out_features);
  return weight;
}

std::size_t random_weights_bytes(const spec::ModelSpec& spec, const WeightOptions& options) {
  return RandomArrays::measure_bytes(
      options, [&](RandomArrays& arrays) { static_cast<void>(take_all(spec, arrays)); });
}

Result<Weights> random_weights(const spec::ModelSpec& spec, device::Device& device,
                               const WeightOptions& options, std::uint64_t seed) {
  WeightViews views;
  auto memory = TRY(RandomArrays::make(
      device, options, seed, [&](RandomArrays& arrays) { views = take_all(spec, arrays); }));
  std::vector<device::Buffer> owners;
  owners.push_back(std::move(memory));
  return Weights(spec, options.compute_dtype, std::move(views), std::move(owners));
}

}  // namespace fathom::model
