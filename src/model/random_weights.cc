// Values from one block, at random offsets; and the weights of a whole model of them.
#include "model/random_weights.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "model/weights.h"
#include "tensor/convert.h"

namespace fathom::model {

using base::Result;
using kernels::LinearWeight;
using tensor::DType;
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

DType stored_dtype(DType compute_dtype) {
  return compute_dtype == DType::kF32 ? DType::kBF16 : compute_dtype;
}

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

Result<View> RandomTensors::fill(const Shape& shape) {
  const View view{nullptr, dtype_, shape};
  device::Buffer buffer = TRY(device_->allocate(view.num_bytes()));
  const std::size_t value_bytes = tensor::size_bytes(dtype_);
  const std::size_t chunk_bytes = static_cast<std::size_t>(kChunkValues) * value_bytes;
  // Offsets of a multiple of 64 bytes, so that every copy runs at full speed.
  std::uniform_int_distribution<std::size_t> offsets(
      0, static_cast<std::size_t>(kSlackValues) * value_bytes / 64);
  auto* target = static_cast<std::byte*>(buffer.data());
  for (std::size_t at = 0; at < view.num_bytes(); at += chunk_bytes) {
    stream_->copy_to_device(target + at,
                            static_cast<const std::byte*>(pattern_.data()) + offsets(random_) * 64,
                            std::min(chunk_bytes, view.num_bytes() - at));
  }
  buffers_.push_back(std::move(buffer));
  return View{target, dtype_, shape};
}

Result<View> RandomTensors::matrix(std::int64_t rows, std::int64_t columns) {
  return fill({rows, columns});
}

Result<View> RandomTensors::vector(std::int64_t size) { return fill({size}); }

Result<View> RandomTensors::ones(std::int64_t size) {
  CHECK(size <= kMaxOnes, "a norm of {} values", size);
  const View view{nullptr, dtype_, {size}};
  device::Buffer buffer = TRY(device_->allocate(view.num_bytes()));
  stream_->copy_to_device(buffer.data(), ones_.data(), view.num_bytes());
  buffers_.push_back(std::move(buffer));
  return View{buffers_.back().data(), dtype_, view.shape};
}

Result<LinearWeight> RandomTensors::linear(std::int64_t out_features, std::int64_t in_features,
                                           bool has_bias) {
  LinearWeight weight;
  weight.num_blocks = 1;
  weight.blocks[0].weight = TRY(matrix(out_features, in_features));
  if (has_bias) weight.blocks[0].bias = TRY(vector(out_features));
  return weight;
}

Result<std::vector<device::Buffer>> RandomTensors::take_buffers() {
  TRY(stream_->synchronize());
  return std::exchange(buffers_, {});
}

Result<Weights> Weights::random(const spec::ModelSpec& spec, device::Device& device,
                                const WeightOptions& options, std::uint64_t seed) {
  RandomTensors make =
      TRY(RandomTensors::create(device, stored_dtype(options.compute_dtype), seed));
  Weights weights;
  weights.spec_ = spec;
  weights.compute_dtype_ = options.compute_dtype;
  const std::int64_t hidden = spec.hidden_size;
  weights.embedding_ = TRY(make.matrix(spec.vocab_rows, hidden));
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    LayerWeights layer;
    layer.attention_norm = TRY(make.ones(hidden));
    layer.qkv = TRY(make.linear(spec.q_size() + 2 * spec.kv_size(), hidden, spec.qkv_bias));
    layer.attention_output = TRY(make.linear(hidden, spec.q_size(), spec.attention_output_bias));
    layer.mlp_norm = TRY(make.ones(hidden));
    layer.gate_up = TRY(make.linear(2 * spec.intermediate_size, hidden, spec.mlp_bias));
    layer.down = TRY(make.linear(hidden, spec.intermediate_size, spec.mlp_bias));
    weights.layers_.push_back(layer);
  }
  weights.final_norm_ = TRY(make.ones(hidden));
  if (spec.tied_embeddings) {
    weights.head_.blocks[0].weight = weights.embedding_;
    weights.head_.num_blocks = 1;
  } else {
    weights.head_ = TRY(make.linear(spec.vocab_rows, hidden, false));
  }
  weights.copies_ = TRY(make.take_buffers());
  for (const device::Buffer& buffer : weights.copies_) {
    weights.copied_bytes_ += buffer.size_bytes();
  }
  weights.total_bytes_ = weights.copied_bytes_;
  return weights;
}

}  // namespace fathom::model
