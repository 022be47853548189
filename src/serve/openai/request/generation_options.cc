// Ranges are OpenAI's where it names one.
#include "serve/openai/request/generation_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <utility>

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::size_t kMaxBiases = 1024;
constexpr std::size_t kMaxTokenIds = 1024;
constexpr std::int64_t kMaxPriority = 1'000'000'000;
constexpr std::size_t kMaxRequestIdBytes = 128;

constexpr std::array<std::string_view, 10> kHarmless = {"user",
                                                        "metadata",
                                                        "store",
                                                        "service_tier",
                                                        "safety_identifier",
                                                        "prompt_cache_key",
                                                        "reasoning_effort",
                                                        "verbosity",
                                                        "reasoning",
                                                        "prompt_cache_retention"};

Result<void> read_sampling(FieldReader& fields, engine::SamplingParameters& sampling) {
  sampling.temperature = TRY(fields.number("temperature", {0.0, 2.0}, 1.0F));
  sampling.top_p = TRY(fields.number("top_p", {0.0, 1.0}, 1.0F));
  if (sampling.top_p <= 0.0F) return fields.bad("top_p", "must be above 0");
  sampling.min_p = TRY(fields.number("min_p", {0.0, 1.0}, 0.0F));
  // -1 turns top_k off in other servers.
  const auto top_k = TRY(fields.integer("top_k", -1, 1 << 24));
  sampling.top_k = static_cast<std::int32_t>(std::max<std::int64_t>(top_k.value_or(0), 0));
  sampling.repetition_penalty = TRY(fields.number("repetition_penalty", {0.0, 10.0}, 1.0F));
  if (sampling.repetition_penalty < 0.01F) {
    return fields.bad("repetition_penalty", "must be at least 0.01");
  }
  sampling.presence_penalty = TRY(fields.number("presence_penalty", {-2.0, 2.0}, 0.0F));
  sampling.frequency_penalty = TRY(fields.number("frequency_penalty", {-2.0, 2.0}, 0.0F));
  sampling.seed = TRY(fields.integer("seed", INT64_MIN, INT64_MAX));
  return {};
}

// {"token id": bias, ...}
Result<void> read_logit_bias(FieldReader& fields, engine::SamplingParameters& sampling) {
  const json::object* biases = TRY(fields.object("logit_bias"));
  if (biases == nullptr) return {};
  if (biases->size() > kMaxBiases) {
    return fields.bad("logit_bias", fmt::format("more than {} tokens", kMaxBiases));
  }
  for (const auto& entry : *biases) {
    const std::string_view key(entry.key().data(), entry.key().size());
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0) {
      return fields.bad("logit_bias", "a key is not a token id");
    }
    const double bias = entry.value().is_number() ? entry.value().to_number<double>() : 1e9;
    if (!(bias >= -100.0 && bias <= 100.0)) {
      return fields.bad("logit_bias", "a bias is not a number between -100 and 100");
    }
    const base::TokenId token{id};
    if (std::ranges::find(sampling.logit_bias, token, &engine::TokenBias::token) !=
        sampling.logit_bias.end()) {
      return fields.bad("logit_bias", fmt::format("token {} comes twice", id));
    }
    sampling.logit_bias.push_back({token, static_cast<float>(bias)});
  }
  return {};
}

Result<void> read_stop(FieldReader& fields, GenerationOptions& options) {
  options.stop.texts = TRY(fields.texts("stop", {.max_count = 16, .max_bytes = 256}));
  options.stop.include_text = TRY(fields.boolean("include_stop_str_in_output"));
  options.stop.token_ids = TRY(fields.tokens("stop_token_ids", kMaxTokenIds));
  options.stop.ignore_eos = TRY(fields.boolean("ignore_eos"));
  options.stop.min_tokens = TRY(fields.integer("min_tokens", 0, kMaxMaxTokens))
  .value_or(0);
  options.bad_words = TRY(fields.texts("bad_words", {.max_count = 128, .max_bytes = 256}));
  options.allowed_tokens = TRY(fields.tokens("allowed_token_ids", kMaxTokenIds));
  return {};
}

Result<void> read_stream(FieldReader& fields, GenerationOptions& options) {
  options.stream = TRY(fields.boolean("stream"));
  const json::object* stream_options = TRY(fields.object("stream_options"));
  if (stream_options == nullptr) return {};
  if (!options.stream) return fields.bad("stream_options", "only with stream: true");
  FieldReader inner(*stream_options, "stream_options");
  options.include_usage = TRY(inner.boolean("include_usage"));
  options.continuous_usage = TRY(inner.boolean("continuous_usage_stats"));
  TRY(inner.boolean("include_obfuscation"));  // padding against eavesdroppers, which we do not add
  return inner.refuse_rest();
}

Result<std::string> read_request_id(FieldReader& fields) {
  std::string id = TRY(fields.text("request_id"));
  const bool is_plain = std::ranges::all_of(
      id, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; });
  if (id.size() > kMaxRequestIdBytes || !is_plain) {
    return fields.bad("request_id", "at most 128 letters, digits, '-', '_' and '.'");
  }
  return id;
}

}  // namespace

std::span<const std::string_view> harmless_fields() { return kHarmless; }

Result<GenerationOptions> read_generation_options(FieldReader& fields) {
  GenerationOptions options;
  options.model = TRY(fields.text("model"));
  if (options.model.empty()) return fields.bad("model", "missing");
  options.request_id = TRY(read_request_id(fields));
  TRY(read_sampling(fields, options.sampling));
  TRY(read_logit_bias(fields, options.sampling));
  TRY(read_stop(fields, options));
  TRY(read_stream(fields, options));
  options.structured = TRY(read_structured_output(fields));
  options.num_answers = TRY(fields.integer("n", 1, kMaxAnswers))
  .value_or(1);
  if (const auto top = TRY(fields.integer("prompt_logprobs", 0, 20))) {
    if (options.stream) return fields.bad("prompt_logprobs", "not with stream: true");
    options.prompt_logprobs = static_cast<std::int32_t>(*top);
  }
  options.truncate_prompt_tokens = TRY(fields.integer("truncate_prompt_tokens", -1, kMaxMaxTokens));
  if (options.truncate_prompt_tokens == 0) {
    return fields.bad("truncate_prompt_tokens", "must be -1 or at least 1");
  }
  options.priority = TRY(fields.integer("priority", -kMaxPriority, kMaxPriority))
  .value_or(0);
  options.skip_special_tokens = TRY(fields.boolean("skip_special_tokens", true));
  options.return_token_ids = TRY(fields.boolean("return_token_ids"));
  options.timings = TRY(fields.boolean("timings"));
  return options;
}

}  // namespace fathom::serve
