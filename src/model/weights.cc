// Finds each weight in the checkpoint, checks it, and converts what the kernels cannot read.
#include "model/weights.h"

#include <fmt/core.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "checkpoint/finite.h"
#include "tensor/convert.h"

namespace fathom::model {
namespace {

using base::Result;
using tensor::DType;
using tensor::Shape;
using tensor::View;

bool is_aligned(const View& view) {
  return reinterpret_cast<std::uintptr_t>(view.data) % tensor::size_bytes(view.dtype) == 0;
}

}  // namespace

class WeightLoader {
 public:
  WeightLoader(Weights& weights, device::Device& device, const WeightOptions& options)
      : weights_(weights), device_(device), options_(options) {}

  Result<void> load() {
    const spec::ModelSpec& spec = weights_.spec();
    weights_.embedding_ =
        TRY(matrix("model.embed_tokens.weight", spec.vocab_rows, spec.hidden_size));
    for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
      weights_.layers_.push_back(TRY(load_layer(fmt::format("model.layers.{}.", layer))));
    }
    weights_.final_norm_ = TRY(vector("model.norm.weight", spec.hidden_size));
    if (spec.tied_embeddings) {
      weights_.head_.blocks[0].weight = weights_.embedding_;
    } else {
      weights_.head_.blocks[0].weight =
          TRY(matrix("lm_head.weight", spec.vocab_rows, spec.hidden_size));
    }
    weights_.head_.num_blocks = 1;
    return {};
  }

 private:
  struct Part {
    const char* name;
    std::int64_t out_features;
  };

  Result<LayerWeights> load_layer(const std::string& prefix) {
    const spec::ModelSpec& spec = weights_.spec();
    const std::int64_t hidden = spec.hidden_size;
    LayerWeights layer;
    layer.attention_norm = TRY(vector(prefix + "input_layernorm.weight", hidden));
    layer.mlp_norm = TRY(vector(prefix + "post_attention_layernorm.weight", hidden));
    const Part qkv[] = {{"self_attn.q_proj", spec.q_size()},
                        {"self_attn.k_proj", spec.kv_size()},
                        {"self_attn.v_proj", spec.kv_size()}};
    layer.qkv = TRY(linear(prefix, qkv, hidden, spec.qkv_bias));
    const Part output[] = {{"self_attn.o_proj", hidden}};
    layer.attention_output = TRY(linear(prefix, output, spec.q_size(), spec.attention_output_bias));
    const Part gate_up[] = {{"mlp.gate_proj", spec.intermediate_size},
                            {"mlp.up_proj", spec.intermediate_size}};
    layer.gate_up = TRY(linear(prefix, gate_up, hidden, spec.mlp_bias));
    const Part down[] = {{"mlp.down_proj", hidden}};
    layer.down = TRY(linear(prefix, down, spec.intermediate_size, spec.mlp_bias));
    return layer;
  }

  Result<kernels::LinearWeight> linear(const std::string& prefix, std::span<const Part> parts,
                                       std::int64_t in_features, bool has_bias) {
    kernels::LinearWeight weight;
    for (const Part& part : parts) {
      kernels::LinearBlock& block = weight.blocks[static_cast<std::size_t>(weight.num_blocks++)];
      block.weight = TRY(matrix(prefix + part.name + ".weight", part.out_features, in_features));
      if (has_bias) block.bias = TRY(vector(prefix + part.name + ".bias", part.out_features));
    }
    return weight;
  }

  Result<View> matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
    const View found = TRY(checked(name, Shape{rows, columns}));
    // f32 compute widens any type on the fly; bf16 compute multiplies bf16 by bf16.
    const bool readable = options_.compute_dtype == DType::kF32 || found.dtype == DType::kBF16;
    return readable && is_aligned(found) ? found
                                         : copy(found, readable ? found.dtype : DType::kBF16);
  }

  Result<View> vector(const std::string& name, std::int64_t size) {
    const View found = TRY(checked(name, Shape{size}));
    return is_aligned(found) ? found : copy(found, found.dtype);
  }

  Result<View> checked(const std::string& name, const Shape& shape) {
    const View found = TRY(weights_.folder_->tensor(name, shape));
    if (options_.check_finite) TRY(checkpoint::check_finite(found, name));
    weights_.total_bytes_ += found.num_bytes();
    return found;
  }

  Result<View> copy(const View& source, DType dtype) {
    const std::size_t num_bytes =
        static_cast<std::size_t>(source.shape.num_elements()) * tensor::size_bytes(dtype);
    device::Buffer buffer = TRY(device_.allocate(num_bytes));
    const tensor::MutableView target{buffer.data(), dtype, source.shape};
    tensor::convert(source, target);
    weights_.copied_bytes_ += num_bytes;
    weights_.copies_.push_back(std::move(buffer));
    return target;
  }

  Weights& weights_;
  device::Device& device_;
  const WeightOptions& options_;
};

Result<Weights> Weights::load(std::shared_ptr<const checkpoint::ModelFolder> folder,
                              device::Device& device, const WeightOptions& options) {
  CHECK(options.compute_dtype == DType::kF32 || options.compute_dtype == DType::kBF16,
        "the decoder computes in f32 or bf16, not {}", tensor::name(options.compute_dtype));
  Weights weights;
  weights.spec_ = folder->spec();
  weights.folder_ = std::move(folder);
  weights.compute_dtype_ = options.compute_dtype;
  TRY(WeightLoader(weights, device, options).load());
  return weights;
}

}  // namespace fathom::model
