// Reads what the decoder implements, refuses what would change its output, knows the rest.
#include "checkpoint/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <ranges>

#include "base/json.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/rope_config.h"

namespace fathom::checkpoint {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;
using spec::Architecture;
using spec::ModelSpec;

constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;
constexpr Range<std::int64_t> kTokenIds{0, (std::int64_t{1} << 24) - 1};

// Read elsewhere in this file, or of no influence on a forward pass.
constexpr std::array<std::string_view, 54> kKnownFields = {"architectures",
                                                           "model_type",
                                                           "hidden_size",
                                                           "intermediate_size",
                                                           "num_hidden_layers",
                                                           "num_attention_heads",
                                                           "num_key_value_heads",
                                                           "head_dim",
                                                           "vocab_size",
                                                           "max_position_embeddings",
                                                           "rms_norm_eps",
                                                           "rope_theta",
                                                           "rope_scaling",
                                                           "rope_parameters",
                                                           "tie_word_embeddings",
                                                           "attention_bias",
                                                           "mlp_bias",
                                                           "bos_token_id",
                                                           "eos_token_id",
                                                           "pad_token_id",
                                                           "unk_token_id",
                                                           "torch_dtype",
                                                           "dtype",
                                                           "hidden_act",
                                                           "_name_or_path",
                                                           "sliding_window",
                                                           "use_sliding_window",
                                                           "max_window_layers",
                                                           "layer_types",
                                                           "attention_dropout",
                                                           "initializer_range",
                                                           "use_cache",
                                                           "transformers_version",
                                                           "pretraining_tp",
                                                           "auto_map",
                                                           "_attn_implementation",
                                                           "_attn_implementation_autoset",
                                                           "output_attentions",
                                                           "output_hidden_states",
                                                           "return_dict",
                                                           "problem_type",
                                                           "id2label",
                                                           "label2id",
                                                           "task_specific_params",
                                                           "torchscript",
                                                           "use_mrope",
                                                           "partial_rotary_factor",
                                                           "hidden_dropout",
                                                           "resid_pdrop",
                                                           "embd_pdrop",
                                                           "aux_loss_alpha",
                                                           "quantization_config",
                                                           "is_decoder",
                                                           "keys_to_ignore_at_inference"};

// Words in names of fields that scale, cap, mask, turn or route what a decoder computes, in this or
// a related architecture: "attention_multiplier", "qk_layernorm". Long ones are found in longer
// words too ("layernorm", "softcapping"); short ones would be found in too many ("steps").
constexpr std::array<std::string_view, 20> kForwardPassParts = {
    "activation", "alibi",  "attention", "attn",     "bias",    "chunk",    "clip",
    "epsilon",    "expert", "logit",     "multipli", "norm",    "parallel", "quant",
    "residual",   "rope",   "rotary",    "scal",     "softcap", "window"};
constexpr std::array<std::string_view, 7> kForwardPassWords = {"act", "eps", "lora", "moe",
                                                               "mup", "qk",  "qkv"};
// Words of fields that name such a thing, but not what is computed.
constexpr std::array<std::string_view, 4> kTrainingWords = {"dropout", "implementation", "loss",
                                                            "pdrop"};

bool speaks_of_forward_pass(std::string_view name) {
  if (name.starts_with('_')) return false;  // a library's own notes
  bool speaks = false;
  for (const auto part : std::views::split(name, '_')) {
    const std::string_view word(part.begin(), part.end());
    if (std::ranges::find(kTrainingWords, word) != kTrainingWords.end()) return false;
    speaks = speaks || std::ranges::find(kForwardPassWords, word) != kForwardPassWords.end() ||
             std::ranges::any_of(kForwardPassParts, [&](std::string_view part_of_word) {
               return word.starts_with(part_of_word) || word.ends_with(part_of_word);
             });
  }
  return speaks;
}

bool is_off(const json::value& value) {
  return value.is_null() || value == json::value(false) || value == json::value(0) ||
         (value.is_array() && value.get_array().empty()) ||
         (value.is_object() && value.get_object().empty());
}

// eos_token_id, a token or a list, added to what the model has already.
Result<void> add_eos_tokens(const ConfigFields& fields, ModelSpec& spec) {
  const json::value* value = fields.find("eos_token_id");
  if (value == nullptr) return {};
  const auto add = [&](const json::value& each) -> Result<void> {
    if (!each.is_int64() || each.get_int64() < kTokenIds.min || each.get_int64() > kTokenIds.max) {
      return fields.bad("eos_token_id", "not a token id");
    }
    if (std::ranges::find(spec.eos_token_ids, each.get_int64()) == spec.eos_token_ids.end()) {
      spec.eos_token_ids.push_back(each.get_int64());
    }
    return {};
  };
  if (!value->is_array()) return add(*value);
  if (value->get_array().size() > 64) return fields.bad("eos_token_id", "more than 64 tokens");
  for (const json::value& each : value->get_array()) TRY(add(each));
  return {};
}

class ConfigReader {
 public:
  ConfigReader(const json::object& config, std::string where) : fields_(config, std::move(where)) {}

  Result<ModelConfig> read() {
    TRY(read_architecture());
    TRY(refuse_unimplemented());
    TRY(read_dimensions());
    TRY(read_flags());
    spec_.rope = TRY(read_rope(fields_, spec_.max_context_tokens));
    spec_.weight_dtype = TRY(fields_.string_or("torch_dtype", ""));
    if (spec_.weight_dtype.empty()) spec_.weight_dtype = TRY(fields_.string_or("dtype", ""));
    TRY(add_eos_tokens(fields_, spec_));
    result_.name_or_path = TRY(fields_.string_or("_name_or_path", ""));
    TRY(judge_unknown_fields());
    return std::move(result_);
  }

 private:
  Result<void> read_architecture() {
    const json::value* value = fields_.find("architectures");
    const json::array* names = value != nullptr ? value->if_array() : nullptr;
    if (names == nullptr || names->size() != 1 || !(*names)[0].is_string()) {
      return fields_.bad("architectures", "not a list of one name");
    }
    for (const Architecture each : {Architecture::kLlama, Architecture::kQwen2}) {
      if ((*names)[0].get_string() == spec::name(each)) {
        spec_.architecture = each;
        return {};
      }
    }
    return fields_.bad("architectures", fmt::format("'{}' is not implemented; LlamaForCausalLM and "
                                                    "Qwen2ForCausalLM are",
                                                    std::string((*names)[0].get_string())));
  }

  Result<void> refuse_unimplemented() {
    const std::string activation = TRY(fields_.string_or("hidden_act", "silu"));
    if (activation != "silu") {
      return fields_.bad("hidden_act", fmt::format("'{}' is not implemented; silu is", activation));
    }
    if (TRY(fields_.number_or("partial_rotary_factor", {0.0, 1.0}, 1.0)) != 1.0) {
      return fields_.bad("partial_rotary_factor", "only 1 is implemented");
    }
    if (TRY(fields_.boolean_or("use_sliding_window", false))) {
      return fields_.bad("use_sliding_window", "sliding windows are not implemented");
    }
    if (TRY(fields_.boolean_or("use_mrope", false))) {
      return fields_.bad("use_mrope", "not implemented");
    }
    if (fields_.find("quantization_config") != nullptr) {
      return fields_.bad("quantization_config", "quantized checkpoints are not implemented yet");
    }
    if (spec_.architecture == Architecture::kLlama && fields_.find("sliding_window") != nullptr) {
      return fields_.bad("sliding_window", "sliding windows are not implemented");
    }
    TRY(check_layer_types());
    return {};
  }

  Result<void> check_layer_types() {
    const json::value* value = fields_.find("layer_types");
    if (value == nullptr) return {};
    if (!value->is_array()) return fields_.bad("layer_types", "not a list");
    for (const json::value& each : value->get_array()) {
      if (!each.is_string() || each.get_string() != "full_attention") {
        return fields_.bad("layer_types", "only 'full_attention' is implemented");
      }
    }
    return {};
  }

  Result<void> read_dimensions() {
    spec_.num_layers = TRY(fields_.integer("num_hidden_layers", {1, 1000}));
    spec_.hidden_size = TRY(fields_.integer("hidden_size", {1, 65536}));
    spec_.intermediate_size = TRY(fields_.integer("intermediate_size", {1, 1 << 20}));
    spec_.num_heads = TRY(fields_.integer("num_attention_heads", {1, 1024}));
    spec_.num_kv_heads = TRY(fields_.integer_or("num_key_value_heads", {1, 1024}, spec_.num_heads));
    if (spec_.num_heads % spec_.num_kv_heads != 0) {
      return fields_.bad("num_key_value_heads",
                         fmt::format("{} heads cannot share {} key/value heads evenly",
                                     spec_.num_heads, spec_.num_kv_heads));
    }
    if (fields_.find("head_dim") == nullptr && spec_.hidden_size % spec_.num_heads != 0) {
      return fields_.bad("hidden_size", fmt::format("{} is not a multiple of {} heads",
                                                    spec_.hidden_size, spec_.num_heads));
    }
    spec_.head_dim =
        TRY(fields_.integer_or("head_dim", {2, 512}, spec_.hidden_size / spec_.num_heads));
    if (spec_.head_dim % 2 != 0 || spec_.head_dim < 2 || spec_.head_dim > 512) {
      return fields_.bad("head_dim",
                         fmt::format("{} is not an even number up to 512", spec_.head_dim));
    }
    spec_.vocab_rows = TRY(fields_.integer("vocab_size", {1, kTokenIds.max + 1}));
    spec_.max_context_tokens = TRY(fields_.integer("max_position_embeddings", {1, 1 << 24}));
    spec_.rms_norm_eps = TRY(fields_.number_or("rms_norm_eps", {1e-12, 1.0}, 1e-6));
    return {};
  }

  Result<void> read_flags() {
    const bool is_llama = spec_.architecture == Architecture::kLlama;
    spec_.tied_embeddings = TRY(fields_.boolean_or("tie_word_embeddings", false));
    const bool attention_bias = TRY(fields_.boolean_or("attention_bias", !is_llama));
    if (!is_llama && !attention_bias) {
      return fields_.bad("attention_bias", "Qwen2 without query/key/value bias is not implemented");
    }
    spec_.qkv_bias = attention_bias;
    // Llama puts the bias on the output projection too; Qwen2 does not.
    spec_.attention_output_bias = is_llama && attention_bias;
    spec_.mlp_bias = TRY(fields_.boolean_or("mlp_bias", false));
    if (!is_llama && spec_.mlp_bias) return fields_.bad("mlp_bias", "Qwen2 has none");
    return {};
  }

  // What nobody here knows may still be set to what it does here: off.
  Result<void> judge_unknown_fields() {
    for (const auto& field : fields_.object()) {
      const std::string_view name(field.key().data(), field.key().size());
      if (std::ranges::find(kKnownFields, name) != kKnownFields.end()) continue;
      if (speaks_of_forward_pass(name) && !is_off(field.value())) {
        return fields_.bad(name, "not implemented, and it may change the output");
      }
      result_.warnings.push_back(
          fmt::format("{}: {}: an unknown field, ignored", fields_.where(), name));
    }
    return {};
  }

  ConfigFields fields_;
  ModelConfig result_;
  ModelSpec& spec_ = result_.spec;
};

}  // namespace

Result<ModelConfig> parse_model_config(std::string_view config_json,
                                       std::string_view generation_config_json,
                                       std::string_view where) {
  const base::JsonLimits limits{.max_bytes = kMaxConfigBytes};
  const std::string config_where = std::string(where) + "/config.json";
  const json::value config = TRY(base::parse_json(config_json, config_where, limits));
  if (!config.is_object()) return fail(ErrorCode::kInvalidArgument, config_where, "not an object");
  ModelConfig result = TRY(ConfigReader(config.get_object(), config_where).read());
  if (generation_config_json.empty()) return result;
  const std::string generation_where = std::string(where) + "/generation_config.json";
  const json::value generation =
      TRY(base::parse_json(generation_config_json, generation_where, limits));
  if (!generation.is_object()) {
    return fail(ErrorCode::kInvalidArgument, generation_where, "not an object");
  }
  TRY(add_eos_tokens(ConfigFields(generation.get_object(), generation_where), result.spec));
  return result;
}

}  // namespace fathom::checkpoint
