// config.json in its many spellings, refusals by name, and the identity gate.
#include "checkpoint/model_config.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "checkpoint/identity.h"

namespace fathom::checkpoint {
namespace {

namespace json = boost::json;
using spec::RopeSpec;

json::object llama() {
  return {{"architectures", json::array{"LlamaForCausalLM"}},
          {"hidden_size", 4096},
          {"intermediate_size", 11008},
          {"num_hidden_layers", 30},
          {"num_attention_heads", 32},
          {"num_key_value_heads", 32},
          {"vocab_size", 102400},
          {"max_position_embeddings", 4096},
          {"rms_norm_eps", 1e-6},
          {"rope_theta", 10000.0},
          {"bos_token_id", 100000},
          {"eos_token_id", 100001},
          {"torch_dtype", "bfloat16"}};
}

base::Result<ModelConfig> parse(const json::object& config, std::string_view generation = "") {
  return parse_model_config(json::serialize(config), generation, "m");
}

ModelConfig with(std::initializer_list<std::pair<const char*, json::value>> fields) {
  json::object config = llama();
  for (const auto& [name, value] : fields) config[name] = value;
  auto parsed = parse(config);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return *std::move(parsed);
}

std::string refusal(const char* field, const json::value& value) {
  json::object config = llama();
  config[field] = value;
  auto parsed = parse(config);
  return parsed ? "" : parsed.error().text();
}

TEST(ModelConfig, ReadsDeepSeek) {
  const ModelConfig config = with({});
  EXPECT_EQ(config.spec.num_layers, 30);
  EXPECT_EQ(config.spec.head_dim, 128);
  EXPECT_FALSE(config.spec.qkv_bias);
  EXPECT_EQ(config.spec.eos_token_ids, std::vector<std::int64_t>{100001});
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ModelConfig, ReadsEverySpellingOfRopeScaling) {
  const RopeSpec linear{.theta = 10000.0, .scaling = RopeSpec::Scaling::kLinear, .factor = 4.0};
  const json::object type{{"type", "linear"}, {"factor", 4.0}};
  const json::object rope_type{{"rope_type", "linear"}, {"factor", 4}};
  const json::object both{{"rope_type", "linear"}, {"type", "linear"}, {"factor", 4}};
  const json::object inside{{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 10000.0}};
  EXPECT_EQ(with({{"rope_scaling", type}}).spec.rope, linear);
  EXPECT_EQ(with({{"rope_scaling", rope_type}}).spec.rope, linear);
  EXPECT_EQ(with({{"rope_scaling", both}}).spec.rope, linear);
  EXPECT_EQ(with({{"rope_theta", nullptr}, {"rope_parameters", inside}}).spec.rope, linear);
  EXPECT_EQ(with({{"rope_scaling", type}, {"rope_parameters", inside}}).spec.rope, linear);
  EXPECT_EQ(with({{"rope_scaling", nullptr}}).spec.rope, RopeSpec{});
  EXPECT_EQ(
      with({{"rope_parameters", json::object{{"rope_type", "default"}, {"rope_theta", 10000.0}}}})
          .spec.rope,
      RopeSpec{});
  const json::object llama3{{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 2048}};
  EXPECT_EQ(with({{"rope_scaling", llama3}}).spec.rope.original_max_position, 2048);
}

TEST(ModelConfig, RefusesWhatWouldChangeTheOutput) {
  const std::pair<const char*, json::value> cases[] = {
      {"architectures", json::array{"MistralForCausalLM"}},
      {"hidden_act", "gelu"},
      {"rope_scaling", json::object{{"type", "dynamic"}, {"factor", 2.0}}},
      {"rope_scaling", json::object{{"type", "yarn"}, {"factor", 2.0}}},
      {"rope_scaling", json::object{{"type", "linear"}}},
      {"rope_scaling", json::object{{"type", "linear"}, {"rope_type", "llama3"}, {"factor", 2}}},
      {"rope_scaling", json::object{{"type", "longrope"}, {"long_factor", json::array{1}}}},
      {"rope_scaling", json::object{{"factor", 4.0}}},
      {"rope_scaling", json::object{{"rope_type", "default"}, {"factor", 4.0}}},
      {"rope_scaling", json::object{{"type", "linear"}, {"factor", 4}, {"attention_factor", 2}}},
      {"rope_parameters", json::object{{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}},
      {"rope_parameters", json::object{{"rope_theta", 5.0}}},
      {"partial_rotary_factor", 0.5},
      {"sliding_window", 4096},
      {"use_sliding_window", true},
      {"layer_types", json::array{"sliding_attention"}},
      {"quantization_config", json::object{{"bits", 4}}},
      {"final_logit_softcapping", 30.0},
      {"num_local_experts", 8},
      {"attention_multiplier", 0.0078125},
      {"logits_scaling", 8},
      {"scale_emb", 12},
      {"qk_layernorm", true},
      {"layer_norm_eps", 1e-5},
      {"rope_interleaved", true},
      {"rotary_pct", 0.25},
      {"attn_bias", true},
      {"lm_head_bias", true},
      {"attention_chunk_size", 8192},
      {"kv_lora_rank", 512},
      {"num_hidden_layers", 0},
      {"num_hidden_layers", -1},
      {"num_hidden_layers", 1.5},
      {"num_hidden_layers", "30"},
      {"num_key_value_heads", 5},
      {"hidden_size", 1LL << 40},
      {"head_dim", 127},
      {"vocab_size", 0},
      {"rms_norm_eps", 0},
      {"rope_theta", -1},
      {"eos_token_id", -5},
      {"eos_token_id", "x"},
      {"tie_word_embeddings", "yes"},
  };
  for (const auto& [field, value] : cases) {
    const std::string text = refusal(field, value);
    EXPECT_NE(text.find(field), std::string::npos) << field << " " << value << ": " << text;
  }
  EXPECT_NE(refusal("num_attention_heads", 33).find("33 heads"), std::string::npos);
  EXPECT_FALSE(parse_model_config("[]", "", "m"));
  EXPECT_FALSE(parse_model_config("", "", "m"));
  EXPECT_FALSE(parse_model_config(std::string(100'000, '['), "", "m"));
}

TEST(ModelConfig, AcceptsWhatIsOffOrOfTrainingAlone) {
  const ModelConfig config = with({{"final_logit_softcapping", nullptr},
                                   {"qk_norm", false},
                                   {"no_rope_layers", json::array{}},
                                   {"attention_sink_size", 0},
                                   {"attention_probs_dropout_prob", 0.1},
                                   {"router_aux_loss_coef", 0.001},
                                   {"_attn_implementation_internal", "sdpa"},
                                   {"num_training_steps", 10}});
  EXPECT_EQ(config.warnings.size(), 8U);
}

TEST(ModelConfig, WarnsOfUnknownFieldsAndAddsGenerationEos) {
  json::object config = llama();
  config["brand_new_field"] = 1;
  auto parsed = parse(config, R"({"eos_token_id": [100001, 7]})");
  ASSERT_TRUE(parsed) << parsed.error().text();
  ASSERT_EQ(parsed->warnings.size(), 1U);
  EXPECT_NE(parsed->warnings[0].find("brand_new_field"), std::string::npos);
  EXPECT_EQ(parsed->spec.eos_token_ids, (std::vector<std::int64_t>{100001, 7}));
}

json::object coder() {
  json::object config = llama();
  config["num_hidden_layers"] = 32;
  config["vocab_size"] = 32256;
  config["max_position_embeddings"] = 16384;
  config["rope_theta"] = 100000.0;
  config["rope_scaling"] = json::object{{"type", "linear"}, {"factor", 4.0}};
  config["bos_token_id"] = 32013;
  config["eos_token_id"] = 32021;
  return config;
}

std::string identity(const json::object& config, std::string_view name,
                     const IdentityProbe& probe = {}) {
  auto parsed = parse(config);
  EXPECT_TRUE(parsed) << parsed.error().text();
  const auto checked = check_identity(*parsed, name, probe);
  return checked ? "" : checked.error().text();
}

TEST(Identity, AcceptsTheRealModels) {
  EXPECT_EQ(identity(llama(), "deepseek-ai/deepseek-llm-7b-chat"), "");
  EXPECT_EQ(identity(coder(), "deepseek-ai/deepseek-coder-6.7b-instruct"), "");
  EXPECT_EQ(identity(llama(), "my-own-model"), "");
  // As published: config.json gives the end of text as the beginning, too.
  const json::object r1{{"architectures", json::array{"Qwen2ForCausalLM"}},
                        {"attention_dropout", 0.0},
                        {"bos_token_id", 151643},
                        {"eos_token_id", 151643},
                        {"hidden_act", "silu"},
                        {"hidden_size", 3584},
                        {"initializer_range", 0.02},
                        {"intermediate_size", 18944},
                        {"max_position_embeddings", 131072},
                        {"max_window_layers", 28},
                        {"model_type", "qwen2"},
                        {"num_attention_heads", 28},
                        {"num_hidden_layers", 28},
                        {"num_key_value_heads", 4},
                        {"rms_norm_eps", 1e-06},
                        {"rope_theta", 10000},
                        {"sliding_window", 4096},
                        {"tie_word_embeddings", false},
                        {"torch_dtype", "bfloat16"},
                        {"use_mrope", false},
                        {"use_sliding_window", false},
                        {"vocab_size", 152064}};
  IdentityProbe probe;
  probe.encode = [](std::string_view) { return std::vector<std::int32_t>{151646, 37, 50753, 261}; };
  probe.render = [](std::string_view user) {
    return "<｜begin▁of▁sentence｜><｜User｜>" + std::string(user) + "<｜Assistant｜><think>\n";
  };
  EXPECT_EQ(identity(r1, "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", probe), "");
}

TEST(Identity, RefusesACoderWithoutItsRotaryScaling) {
  json::object config = coder();
  config["rope_scaling"] = nullptr;
  const std::string text = identity(config, "deepseek-coder-6.7b-instruct");
  EXPECT_NE(text.find("rope_scaling missing"), std::string::npos) << text;
  EXPECT_NE(text.find("output would repeat"), std::string::npos) << text;
  // Renamed, it is still known by its dimensions.
  EXPECT_NE(identity(config, "my-coder").find("rope_scaling missing"), std::string::npos);
  EXPECT_EQ(claimed_identity(*parse(config), "my-coder"), "deepseek-coder-6.7b");
}

TEST(Identity, RefusesAnLlmWithCodersRotaryScaling) {
  json::object config = llama();
  config["rope_scaling"] = json::object{{"type", "linear"}, {"factor", 4.0}};
  EXPECT_NE(identity(config, "deepseek-llm-7b-base").find("rope_scaling is set"),
            std::string::npos);
}

TEST(Identity, ComparesTokensTemplateAndEnd) {
  json::object config = coder();
  config["eos_token_id"] = 32014;
  EXPECT_NE(identity(config, "deepseek-coder-6.7b-instruct").find("eos_token_id lacks 32021"),
            std::string::npos);
  IdentityProbe probe;
  probe.encode = [](std::string_view) {
    return std::vector<std::int32_t>{32013, 37, 32009, 71, 6247};
  };
  probe.render = [](std::string_view user) {
    return "### Instruction:\n" + std::string(user) + "\n### Response:\n";
  };
  EXPECT_EQ(identity(coder(), "deepseek-coder-6.7b-instruct", probe), "");
  const std::string text = identity(llama(), "deepseek-llm-7b-chat", probe);
  EXPECT_NE(text.find("does not begin a text with token 100000"), std::string::npos) << text;
  EXPECT_NE(text.find("tokenizer is another one"), std::string::npos) << text;
  EXPECT_NE(text.find("chat template is another"), std::string::npos) << text;
}

}  // namespace
}  // namespace fathom::checkpoint
