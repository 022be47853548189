// Figures of the models' own config.json files.
#include "spec/known_models.h"

#include <array>

namespace fathom::spec {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"deepseek-llm-7b", "deepseek-coder-6.7b",
                                                    "deepseek-r1-distill-qwen-7b"};

ModelSpec deepseek_llm_7b() {
  ModelSpec model;
  model.architecture = Architecture::kLlama;
  model.num_layers = 30;
  model.hidden_size = 4096;
  model.intermediate_size = 11008;
  model.num_heads = 32;
  model.num_kv_heads = 32;
  model.head_dim = 128;
  model.vocab_rows = 102400;
  model.max_context_tokens = 4096;
  model.weight_dtype = "bfloat16";
  return model;
}

ModelSpec deepseek_coder_6_7b() {
  ModelSpec model = deepseek_llm_7b();
  model.num_layers = 32;
  model.vocab_rows = 32256;
  model.max_context_tokens = 16384;
  model.rope.theta = 100000.0;
  model.rope.scaling = RopeSpec::Scaling::kLinear;
  model.rope.factor = 4.0;
  return model;
}

ModelSpec deepseek_r1_distill_qwen_7b() {
  ModelSpec model;
  model.architecture = Architecture::kQwen2;
  model.num_layers = 28;
  model.hidden_size = 3584;
  model.intermediate_size = 18944;
  model.num_heads = 28;
  model.num_kv_heads = 4;
  model.head_dim = 128;
  model.vocab_rows = 152064;
  model.max_context_tokens = 131072;
  model.qkv_bias = true;
  model.weight_dtype = "bfloat16";
  return model;
}

}  // namespace

std::span<const std::string_view> known_shapes() { return kNames; }

std::optional<ModelSpec> known_shape(std::string_view name) {
  if (name == kNames[0]) return deepseek_llm_7b();
  if (name == kNames[1]) return deepseek_coder_6_7b();
  if (name == kNames[2]) return deepseek_r1_distill_qwen_7b();
  return std::nullopt;
}

}  // namespace fathom::spec
