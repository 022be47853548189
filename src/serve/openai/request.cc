// One reader for the fields that both kinds share, one for each kind's own.
#include "serve/openai/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <set>
#include <utility>

#include "base/json.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

constexpr base::JsonLimits kBodyLimits{.max_bytes = std::size_t{8} << 20, .max_depth = 32};
constexpr std::size_t kMaxMessages = 10'000;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::int64_t kMaxTokens = std::int64_t{1} << 31;

// Fields that change nothing here: they are for others' books.
constexpr std::array<std::string_view, 9> kIgnored = {"user",
                                                      "metadata",
                                                      "store",
                                                      "service_tier",
                                                      "safety_identifier",
                                                      "prompt_cache_key",
                                                      "parallel_tool_calls",
                                                      "reasoning_effort",
                                                      "verbosity"};

// A field that is not implemented may say that it is not wanted.
bool asks_for_nothing(std::string_view field, const json::value& value) {
  if (value == json::value(false) || value == json::value("")) return true;
  if (value.is_array()) return value.get_array().empty();
  if (value.is_object()) {
    return value.get_object().empty() ||
           (field == "response_format" && value.get_object().size() == 1 &&
            value.get_object().contains("type") && value.at("type") == json::value("text"));
  }
  if (value.is_number()) {
    const bool is_count = field == "n" || field == "best_of" || field == "repetition_penalty";
    return value.to_number<double>() == (is_count ? 1.0 : 0.0);
  }
  return field == "tool_choice" && (value == json::value("none") || value == json::value("auto"));
}

class FieldReader {
 public:
  explicit FieldReader(const json::object& object) : object_(object) {}

  // nullptr if absent or null. Marks the field as read.
  const json::value* find(std::string_view field) {
    read_.emplace(field);
    const json::value* value = object_.if_contains(field);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  static base::Error bad(std::string_view field, std::string_view problem) {
    return fail(ErrorCode::kInvalidArgument, field, "{}", problem);
  }

  Result<std::optional<std::int64_t>> integer(std::string_view field, std::int64_t min,
                                              std::int64_t max) {
    const json::value* value = find(field);
    if (value == nullptr) return std::optional<std::int64_t>();
    std::optional<std::int64_t> number;
    if (value->is_int64()) number = value->get_int64();
    if (!number) return bad(field, value->is_uint64() ? "too large" : "not a whole number");
    if (*number < min || *number > max) {
      return bad(field, fmt::format("{} is not between {} and {}", *number, min, max));
    }
    return number;
  }

  Result<float> number(std::string_view field, double min, double max, float fallback) {
    const json::value* value = find(field);
    if (value == nullptr) return fallback;
    if (!value->is_number()) return bad(field, "not a number");
    const auto number = value->to_number<double>();
    if (!(number >= min && number <= max)) {
      return bad(field, fmt::format("{} is not between {} and {}", number, min, max));
    }
    return static_cast<float>(number);
  }

  Result<bool> boolean(std::string_view field) {
    const json::value* value = find(field);
    if (value == nullptr) return false;
    if (!value->is_bool()) return bad(field, "neither true nor false");
    return value->get_bool();
  }

  Result<std::string> text(std::string_view field) {
    const json::value* value = find(field);
    if (value == nullptr) return std::string();
    if (!value->is_string()) return bad(field, "not a string");
    return std::string(value->get_string());
  }

  // Refuses what nobody has read, unless it is harmless.
  Result<void> refuse_rest() const {
    for (const auto& entry : object_) {
      const std::string_view field(entry.key().data(), entry.key().size());
      if (read_.contains(field) || entry.value().is_null() ||
          std::ranges::find(kIgnored, field) != kIgnored.end() ||
          asks_for_nothing(field, entry.value())) {
        continue;
      }
      return bad(field, "this field is unknown or not implemented");
    }
    return {};
  }

 private:
  const json::object& object_;
  std::set<std::string, std::less<>> read_;
};

Result<std::vector<std::string>> read_stop(FieldReader& fields) {
  std::vector<std::string> stops;
  const json::value* value = fields.find("stop");
  if (value == nullptr) return stops;
  const auto add = [&](const json::value& each) -> Result<void> {
    if (!each.is_string() || each.get_string().empty() ||
        each.get_string().size() > kMaxStopBytes) {
      return FieldReader::bad("stop", "each must be a string of 1 to 256 bytes");
    }
    stops.emplace_back(each.get_string());
    return {};
  };
  if (!value->is_array()) {
    TRY(add(*value));
    return stops;
  }
  if (value->get_array().size() > kMaxStops) return FieldReader::bad("stop", "more than 16");
  for (const json::value& each : value->get_array()) TRY(add(each));
  return stops;
}

Result<CompletionOptions> read_options(FieldReader& fields) {
  CompletionOptions options;
  options.model = TRY(fields.text("model"));
  if (options.model.empty()) return FieldReader::bad("model", "missing");
  options.max_tokens = TRY(fields.integer("max_tokens", 1, kMaxTokens));
  if (const auto newer = TRY(fields.integer("max_completion_tokens", 1, kMaxTokens))) {
    options.max_tokens = newer;
  }
  options.sampling.temperature = TRY(fields.number("temperature", 0.0, 2.0, 1.0F));
  options.sampling.top_p = TRY(fields.number("top_p", 0.0, 1.0, 1.0F));
  if (options.sampling.top_p <= 0.0F) return FieldReader::bad("top_p", "must be above 0");
  options.sampling.min_p = TRY(fields.number("min_p", 0.0, 1.0, 0.0F));
  // -1 turns top_k off in other servers.
  const std::int64_t top_k = TRY(fields.integer("top_k", -1, 1 << 24))
  .value_or(0);
  options.sampling.top_k = static_cast<std::int32_t>(std::max<std::int64_t>(top_k, 0));
  options.sampling.seed = TRY(fields.integer("seed", INT64_MIN, INT64_MAX));
  options.stop = TRY(read_stop(fields));
  options.ignore_eos = TRY(fields.boolean("ignore_eos"));
  options.stream = TRY(fields.boolean("stream"));
  if (const json::value* stream_options = fields.find("stream_options")) {
    if (!options.stream) return FieldReader::bad("stream_options", "only with stream: true");
    if (!stream_options->is_object()) return FieldReader::bad("stream_options", "not an object");
    FieldReader inner(stream_options->get_object());
    options.include_usage = TRY(inner.boolean("include_usage"));
    TRY(inner.refuse_rest());
  }
  return options;
}

// A string, or a list of parts of which all are text.
Result<std::string> read_content(const json::value* value, std::string_view where) {
  if (value == nullptr) return std::string();
  if (value->is_string()) return std::string(value->get_string());
  if (!value->is_array()) return FieldReader::bad(where, "neither a string nor a list of parts");
  std::string content;
  for (const json::value& part : value->get_array()) {
    const json::object* object = part.if_object();
    const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
    const json::value* text = object != nullptr ? object->if_contains("text") : nullptr;
    if (type == nullptr || *type != json::value("text") || text == nullptr || !text->is_string()) {
      return FieldReader::bad(where, "only parts of type text are implemented");
    }
    content += std::string_view(text->get_string());
  }
  return content;
}

Result<std::vector<tokenizer::ChatMessage>> read_messages(FieldReader& fields) {
  const json::value* value = fields.find("messages");
  if (value == nullptr || !value->is_array() || value->get_array().empty()) {
    return FieldReader::bad("messages", "missing, or not a list with messages");
  }
  if (value->get_array().size() > kMaxMessages) {
    return FieldReader::bad("messages", fmt::format("more than {}", kMaxMessages));
  }
  std::vector<tokenizer::ChatMessage> messages;
  for (const json::value& each : value->get_array()) {
    const std::string where = fmt::format("messages[{}]", messages.size());
    if (!each.is_object()) return FieldReader::bad(where, "not an object");
    FieldReader message(each.get_object());
    std::string role = TRY(message.text("role"));
    constexpr std::array<std::string_view, 4> kRoles = {"system", "developer", "user", "assistant"};
    if (std::ranges::find(kRoles, role) == kRoles.end()) {
      return FieldReader::bad(where + ".role", "must be system, developer, user or assistant");
    }
    if (role == "developer") role = "system";  // its newer name, which no template knows
    std::string content = TRY(read_content(message.find("content"), where + ".content"));
    TRY(message.text("name"));
    TRY(message.refuse_rest().transform_error([&](base::Error error) {
      error.where = where + "." + error.where;
      return error;
    }));
    messages.push_back({std::move(role), std::move(content)});
  }
  return messages;
}

Result<void> read_prompt(FieldReader& fields, CompletionRequest& request) {
  const json::value* value = fields.find("prompt");
  if (value == nullptr) return FieldReader::bad("prompt", "missing");
  if (value->is_array() && value->get_array().size() == 1 && !value->at(0).is_number()) {
    value = &value->at(0);  // a batch of one
  }
  if (value->is_string()) {
    request.prompt = std::string(value->get_string());
    return {};
  }
  if (!value->is_array() || value->get_array().empty()) {
    return FieldReader::bad("prompt", "neither a string nor a list of token ids");
  }
  for (const json::value& id : value->get_array()) {
    if (id.is_string() || id.is_array()) {
      return FieldReader::bad("prompt", "several prompts in one request are not implemented");
    }
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() > INT32_MAX) {
      return FieldReader::bad("prompt", "not a token id");
    }
    request.prompt_tokens.push_back(base::TokenId{static_cast<std::int32_t>(id.get_int64())});
  }
  return {};
}

Result<json::value> parse_body(std::string_view body) {
  json::value root = TRY(base::parse_json(body, "", kBodyLimits));
  if (!root.is_object()) return fail(ErrorCode::kInvalidArgument, "", "the body is not an object");
  return root;
}

}  // namespace

Result<ChatRequest> parse_chat_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  ChatRequest request;
  request.options = TRY(read_options(fields));
  request.messages = TRY(read_messages(fields));
  TRY(fields.refuse_rest());
  return request;
}

Result<CompletionRequest> parse_completion_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  CompletionRequest request;
  request.options = TRY(read_options(fields));
  if (!request.options.max_tokens) request.options.max_tokens = 16;  // this endpoint's default
  TRY(read_prompt(fields, request));
  TRY(fields.refuse_rest());
  return request;
}

}  // namespace fathom::serve
