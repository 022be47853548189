// Finds each weight in the checkpoint and has it placed.
#include "model/weights.h"

#include <fmt/core.h>

#include <cstdint>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>

#include "model/weight_placer.h"

namespace fathom::model {
namespace {

using base::Result;
using tensor::DType;
using tensor::Shape;
using tensor::View;

// Walks through a model's tensors in the order in which they are placed.
class WeightReader {
 public:
  WeightReader(const checkpoint::ModelFolder& folder, WeightPlacer& placer)
      : folder_(folder), placer_(placer) {}

  Result<WeightViews> read() {
    const spec::ModelSpec& spec = folder_.spec();
    WeightViews views;
    const auto embedding =
        TRY(find("model.embed_tokens.weight", Shape{spec.vocab_rows, spec.hidden_size}));
    views.embedding = TRY(placer_.table(embedding));
    for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
      views.layers.push_back(TRY(read_layer(fmt::format("model.layers.{}.", layer))));
    }
    views.final_norm = TRY(vector("model.norm.weight", spec.hidden_size));
    if (spec.tied_embeddings) {
      views.head.num_blocks = 1;
      views.head.blocks[0].weight = views.embedding;
    } else {
      const Part head[] = {{"lm_head", spec.vocab_rows}};
      views.head = TRY(linear("", head, spec.hidden_size, false));
    }
    TRY(refuse_unused());
    return views;
  }

  // Of the tensors read, where the file has them.
  std::size_t source_bytes() const { return source_bytes_; }

 private:
  struct Part {
    const char* name;
    std::int64_t out_features;
  };

  Result<LayerWeights> read_layer(const std::string& prefix) {
    const spec::ModelSpec& spec = folder_.spec();
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
    std::vector<MatrixPart> found;
    for (const Part& part : parts) {
      MatrixPart& each = found.emplace_back();
      each.weight =
          TRY(find(prefix + part.name + ".weight", Shape{part.out_features, in_features}));
      if (has_bias) each.bias = TRY(find(prefix + part.name + ".bias", Shape{part.out_features}));
    }
    return placer_.matrix(found);
  }

  Result<View> vector(const std::string& name, std::int64_t size) {
    const auto found = TRY(find(name, Shape{size}));
    return placer_.vector(found);
  }

  Result<NamedTensor> find(const std::string& name, const Shape& shape) {
    NamedTensor found { name, TRY(folder_.tensor(name, shape)) };
    source_bytes_ += found.view.num_bytes();
    used_.insert(name);
    return found;
  }

  // A bias that the configuration does not mention, a norm of another architecture: what is left
  // over would have changed the output.
  Result<void> refuse_unused() const {
    for (const std::string& name : folder_.tensor_names()) {
      // Older files keep the rotary frequencies, and a copy of the head that is tied.
      const bool is_redundant = name.ends_with(".rotary_emb.inv_freq") ||
                                (name == "lm_head.weight" && folder_.spec().tied_embeddings);
      if (used_.contains(name) || is_redundant) continue;
      return base::fail(base::ErrorCode::kInvalidArgument, folder_.path().native(),
                        "tensor '{}' has no place in the {} that config.json describes: its "
                        "architecture or one of its flags is wrong",
                        name, spec::name(folder_.spec().architecture));
    }
    return {};
  }

  const checkpoint::ModelFolder& folder_;
  WeightPlacer& placer_;
  std::size_t source_bytes_ = 0;
  std::unordered_set<std::string> used_;
};

}  // namespace

Weights::Weights(spec::ModelSpec spec, tensor::DType compute_dtype, WeightViews views,
                 std::vector<device::Buffer> owners)
    : spec_(std::move(spec)),
      compute_dtype_(compute_dtype),
      views_(std::move(views)),
      owners_(std::move(owners)),
      total_bytes_(copied_bytes()) {}

std::size_t Weights::copied_bytes() const {
  std::size_t total = 0;
  for (const device::Buffer& each : owners_) total += each.size_bytes();
  return total;
}

Result<Weights> Weights::load(std::shared_ptr<const checkpoint::ModelFolder> folder,
                              device::Device& device, const WeightOptions& options) {
  const bool is_mapped = device.reads_host_memory();
  CHECK(options.compute_dtype == DType::kF32 || options.compute_dtype == DType::kBF16 ||
            (options.compute_dtype == DType::kF16 && !is_mapped),
        "the decoder does not compute in {} on {}", tensor::name(options.compute_dtype),
        device.name());
  std::unique_ptr<WeightPlacer> placer;
  if (is_mapped) {
    placer = make_mapped_placer(device, options);
  } else {
    std::size_t packed_bytes = 0;
    const auto measuring = make_measuring_placer(options, packed_bytes);
    TRY(WeightReader(*folder, *measuring).read());
    placer = TRY(make_packed_placer(device, options, packed_bytes));
  }
  WeightReader reader(*folder, *placer);
  auto views = TRY(reader.read());
  auto owners = TRY(placer->finish());
  Weights weights(folder->spec(), options.compute_dtype, std::move(views), std::move(owners));
  if (is_mapped) {
    weights.total_bytes_ = reader.source_bytes();
    weights.mapped_ = std::move(folder);
  }
  return weights;
}

}  // namespace fathom::model
