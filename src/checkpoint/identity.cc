// The known models as data, and the comparison.
#include "checkpoint/identity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <span>

#include "spec/known_models.h"

namespace fathom::checkpoint {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using spec::ModelSpec;
using spec::RopeSpec;

// What all variants of a model share.
struct Family {
  std::string_view shape;  // of spec::known_shape()
  std::int32_t bos;
  // How "Führer" is encoded: the vocabulary, and the added tokens that stand for bytes.
  std::span<const std::int32_t> fuehrer;

  ModelSpec spec() const { return *spec::known_shape(shape); }
};

struct KnownModel {
  std::string_view name;  // what the folder's name holds, in lower case
  const Family* family;
  std::int64_t eos;
  // What a chat prompt for the user's "Q" holds; empty: a base model, no template is expected.
  std::string_view prompt;
};

constexpr std::array<std::int32_t, 4> kLlmFuehrer = {37, 100014, 71, 6245};
constexpr std::array<std::int32_t, 4> kCoderFuehrer = {37, 32009, 71, 6247};
constexpr std::array<std::int32_t, 3> kQwenFuehrer = {37, 50753, 261};

constexpr Family kLlm = {"deepseek-llm-7b", 100000, kLlmFuehrer};
constexpr Family kCoder = {"deepseek-coder-6.7b", 32013, kCoderFuehrer};
constexpr Family kR1Qwen = {"deepseek-r1-distill-qwen-7b", 151646, kQwenFuehrer};

// Longer names before the names they contain.
constexpr std::array<KnownModel, 8> kKnownModels = {{
    {"deepseek-llm-7b-chat", &kLlm, 100001, "User: Q\n\nAssistant:"},
    {"deepseek-llm-7b-base", &kLlm, 100001, ""},
    {"deepseek-math-7b-instruct", &kLlm, 100001, "User: Q\n\nAssistant:"},
    {"deepseek-math-7b-rl", &kLlm, 100001, "User: Q\n\nAssistant:"},
    {"deepseek-math-7b-base", &kLlm, 100001, ""},
    {"deepseek-coder-6.7b-instruct", &kCoder, 32021, "### Instruction:\nQ\n### Response:\n"},
    {"deepseek-coder-6.7b-base", &kCoder, 32014, ""},
    {"deepseek-r1-distill-qwen-7b", &kR1Qwen, 151643, "<｜User｜>Q<｜Assistant｜>"},
}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

bool has_dimensions(const ModelSpec& spec, const ModelSpec& known) {
  return spec.architecture == known.architecture && spec.num_layers == known.num_layers &&
         spec.hidden_size == known.hidden_size && spec.vocab_rows == known.vocab_rows;
}

const KnownModel* claimed(const ModelConfig& config, std::string_view name) {
  for (const std::string& text : {lower(name), lower(config.name_or_path)}) {
    for (const KnownModel& model : kKnownModels) {
      if (text.find(model.name) != std::string::npos) return &model;
    }
  }
  return nullptr;
}

// A family by its dimensions alone: a renamed folder.
const Family* family_by_dimensions(const ModelSpec& spec) {
  for (const Family* family : {&kLlm, &kCoder, &kR1Qwen}) {
    if (has_dimensions(spec, family->spec())) return family;
  }
  return nullptr;
}

class Comparison {
 public:
  template <typename T>
  void expect(std::string_view field, const T& found, const T& expected) {
    if (found != expected) {
      differences_.push_back(fmt::format("{} is {}, not {}", field, found, expected));
    }
  }

  void expect_rope(const RopeSpec& found, const RopeSpec& known) {
    expect("rope_theta", found.theta, known.theta);
    const bool wants_scaling = known.scaling != RopeSpec::Scaling::kNone;
    if (wants_scaling && found.scaling == RopeSpec::Scaling::kNone) {
      differences_.push_back(fmt::format(
          "rope_scaling missing (linear, factor {}): output would repeat", known.factor));
    } else if (wants_scaling && (found.scaling != known.scaling || found.factor != known.factor)) {
      differences_.push_back(
          fmt::format("rope_scaling is not linear with factor {}", known.factor));
    } else if (!wants_scaling && found.scaling != RopeSpec::Scaling::kNone) {
      differences_.push_back("rope_scaling is set, but this model has none: output would degrade");
    }
  }

  void expect_shape(const ModelSpec& found, const ModelSpec& known) {
    expect("num_hidden_layers", found.num_layers, known.num_layers);
    expect("hidden_size", found.hidden_size, known.hidden_size);
    expect("intermediate_size", found.intermediate_size, known.intermediate_size);
    expect("num_attention_heads", found.num_heads, known.num_heads);
    expect("num_key_value_heads", found.num_kv_heads, known.num_kv_heads);
    expect("head_dim", found.head_dim, known.head_dim);
    expect("vocab_size", found.vocab_rows, known.vocab_rows);
    expect("max_position_embeddings", found.max_context_tokens, known.max_context_tokens);
    expect("rms_norm_eps", found.rms_norm_eps, known.rms_norm_eps);
    expect("tie_word_embeddings", found.tied_embeddings, known.tied_embeddings);
    if (found.architecture != known.architecture) {
      differences_.push_back(fmt::format("the architecture is {}", spec::name(found.architecture)));
    }
    expect_rope(found.rope, known.rope);
  }

  Result<void> expect_encoding(const Family& family, const IdentityProbe& probe) {
    if (!probe.encode) return {};
    std::vector<std::int32_t> found = TRY(probe.encode("Führer"));
    // Not config.json's bos_token_id, which is wrong in the published R1: what the tokenizer does.
    if (found.empty() || found.front() != family.bos) {
      differences_.push_back(
          fmt::format("the tokenizer does not begin a text with token {}", family.bos));
    } else {
      found.erase(found.begin());
    }
    if (!std::ranges::equal(found, family.fuehrer)) {
      differences_.push_back(
          fmt::format("the tokenizer is another one: it reads 'Führer' as {}", found));
    }
    return {};
  }

  Result<void> expect_prompt(std::string_view prompt, const IdentityProbe& probe) {
    if (prompt.empty() || !probe.render) return {};
    const std::string found = TRY(probe.render("Q"));
    if (found.find(prompt) == std::string::npos) {
      differences_.push_back("the chat template is another model's");
    }
    return {};
  }

  void add(std::string difference) { differences_.push_back(std::move(difference)); }

  Result<void> verdict(std::string_view name) const {
    if (differences_.empty()) return {};
    return fail(ErrorCode::kFailedPrecondition, name, "this is not what its name says: {}",
                fmt::join(differences_, "; "));
  }

 private:
  std::vector<std::string> differences_;
};

}  // namespace

std::string claimed_identity(const ModelConfig& config, std::string_view name) {
  if (const KnownModel* model = claimed(config, name)) return std::string(model->name);
  const Family* family = family_by_dimensions(config.spec);
  return std::string(family != nullptr ? family->shape : "");
}

Result<void> check_identity(const ModelConfig& config, std::string_view name,
                            const IdentityProbe& probe) {
  const KnownModel* model = claimed(config, name);
  const Family* family = model != nullptr ? model->family : family_by_dimensions(config.spec);
  if (family == nullptr) return {};
  Comparison comparison;
  if (model != nullptr) {
    comparison.expect_shape(config.spec, family->spec());
    if (std::ranges::find(config.spec.eos_token_ids, model->eos) ==
        config.spec.eos_token_ids.end()) {
      comparison.add(fmt::format("eos_token_id lacks {}: answers would not end", model->eos));
    }
    TRY(comparison.expect_prompt(model->prompt, probe));
    TRY(comparison.expect_encoding(*family, probe));
  } else if (family != &kR1Qwen) {
    // Renamed, or fine-tuned: dimensions like these still need this rotary embedding. Those of
    // the distilled Qwen are Qwen's own, whose theta differs.
    comparison.expect_rope(config.spec.rope, family->spec().rope);
  }
  return comparison.verdict(claimed_identity(config, name));
}

}  // namespace fathom::checkpoint
