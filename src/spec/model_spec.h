// ModelSpec: what a decoder-only transformer is, in numbers. Plain values, no I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::spec {

enum class Architecture { kLlama, kQwen2 };

// "LlamaForCausalLM", "Qwen2ForCausalLM".
std::string_view name(Architecture architecture);

// Rotary position embedding, "rotate half" convention: dimension i turns with i + head_dim/2.
struct RopeSpec {
  enum class Scaling {
    kNone,
    kLinear,  // every frequency divided by factor
    kLlama3,  // low frequencies divided by factor, high ones kept, a smooth ramp between
  };
  double theta = 10000.0;
  Scaling scaling = Scaling::kNone;
  double factor = 1.0;
  // kLlama3 only.
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position = 0;

  bool operator==(const RopeSpec&) const = default;
};

struct ModelSpec {
  Architecture architecture = Architecture::kLlama;
  std::int64_t num_layers = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;  // divides num_heads
  std::int64_t head_dim = 0;
  std::int64_t vocab_rows = 0;  // rows of the embedding and the head, padding rows included
  std::int64_t max_context_tokens = 0;
  double rms_norm_eps = 1e-6;
  RopeSpec rope;
  bool tied_embeddings = false;
  bool qkv_bias = false;
  bool attention_output_bias = false;
  bool mlp_bias = false;
  std::vector<std::int64_t> eos_token_ids;  // config.json and generation_config.json together
  std::string weight_dtype;                 // as the config names it: "bfloat16"

  bool operator==(const ModelSpec&) const = default;

  std::int64_t q_size() const { return num_heads * head_dim; }
  std::int64_t kv_size() const { return num_kv_heads * head_dim; }
  // Query heads that share one KV head.
  std::int64_t group_size() const { return num_heads / num_kv_heads; }

  // Parameters of one layer, and of the whole model (tied embeddings counted once).
  std::int64_t layer_parameters() const;
  std::int64_t total_parameters() const;
  // Keys and values of one token over all layers.
  std::int64_t kv_values_per_token() const { return 2 * num_layers * kv_size(); }
};

// Angular frequency of each pair of dimensions, scaling applied: [head_dim / 2], radians a token.
// Computed in float as the models' reference code does, so that angles agree to the last bit.
std::vector<float> rope_frequencies(const RopeSpec& rope, std::int64_t head_dim);

}  // namespace fathom::spec
