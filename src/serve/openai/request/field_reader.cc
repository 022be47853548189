// Every read marks the field, so that what is left over can be refused by its name.
#include "serve/openai/request/field_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "base/json.h"

namespace fathom::serve {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

constexpr base::JsonLimits kBodyLimits{.max_bytes = std::size_t{8} << 20, .max_depth = 32};

bool asks_for_nothing(const json::value& value) {
  if (value.is_array()) return value.get_array().empty();
  if (value.is_object()) return value.get_object().empty();
  return value == json::value(false) || value == json::value("");
}

}  // namespace

Result<json::value> parse_body(std::string_view body) {
  json::value root = TRY(base::parse_json(body, "", kBodyLimits));
  if (!root.is_object()) return fail(ErrorCode::kInvalidArgument, "", "the body is not an object");
  return root;
}

base::Error bad_field(std::string_view field, std::string_view problem) {
  return fail(ErrorCode::kInvalidArgument, field, "{}", problem);
}

FieldReader::FieldReader(const json::object& object, std::string path)
    : object_(object), path_(std::move(path)) {}

const json::value* FieldReader::find(std::string_view field) {
  read_.emplace(field);
  const json::value* value = object_.if_contains(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string FieldReader::path_of(std::string_view field) const {
  return path_.empty() ? std::string(field) : fmt::format("{}.{}", path_, field);
}

base::Error FieldReader::bad(std::string_view field, std::string_view problem) const {
  return bad_field(path_of(field), problem);
}

Result<const json::object*> FieldReader::object(std::string_view field) {
  const json::value* value = find(field);
  if (value == nullptr) return static_cast<const json::object*>(nullptr);
  if (!value->is_object()) return bad(field, "not an object");
  return &value->get_object();
}

Result<std::optional<std::int64_t>> FieldReader::integer(std::string_view field, std::int64_t min,
                                                         std::int64_t max) {
  const json::value* value = find(field);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (!value->is_int64()) {
    return bad(field, value->is_uint64() ? "too large" : "not a whole number");
  }
  const std::int64_t number = value->get_int64();
  if (number < min || number > max) {
    return bad(field, fmt::format("{} is not between {} and {}", number, min, max));
  }
  return std::optional(number);
}

Result<float> FieldReader::number(std::string_view field, Range range, float fallback) {
  const json::value* value = find(field);
  if (value == nullptr) return fallback;
  if (!value->is_number()) return bad(field, "not a number");
  const auto number = value->to_number<double>();
  if (!(number >= range.min && number <= range.max)) {
    return bad(field, fmt::format("{} is not between {} and {}", number, range.min, range.max));
  }
  return static_cast<float>(number);
}

Result<bool> FieldReader::boolean(std::string_view field, bool fallback) {
  const json::value* value = find(field);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return bad(field, "neither true nor false");
  return value->get_bool();
}

Result<std::string> FieldReader::text(std::string_view field) {
  const json::value* value = find(field);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return bad(field, "not a string");
  return std::string(value->get_string());
}

Result<std::vector<std::string>> FieldReader::texts(std::string_view field,
                                                    const StringListLimits& limits) {
  std::vector<std::string> texts;
  const json::value* value = find(field);
  if (value == nullptr) return texts;
  const auto add = [&](const json::value& each) -> Result<void> {
    if (!each.is_string() || each.get_string().empty() ||
        each.get_string().size() > limits.max_bytes) {
      return bad(field, fmt::format("each must be a string of 1 to {} bytes", limits.max_bytes));
    }
    texts.emplace_back(each.get_string());
    return {};
  };
  if (!value->is_array()) {
    TRY(add(*value));
    return texts;
  }
  if (value->get_array().size() > limits.max_count) {
    return bad(field, fmt::format("more than {}", limits.max_count));
  }
  for (const json::value& each : value->get_array()) TRY(add(each));
  return texts;
}

Result<std::vector<base::TokenId>> FieldReader::tokens(std::string_view field,
                                                       std::size_t max_count) {
  std::vector<base::TokenId> tokens;
  const json::value* value = find(field);
  if (value == nullptr) return tokens;
  if (!value->is_array()) return bad(field, "not a list of token ids");
  if (value->get_array().size() > max_count)
    return bad(field, fmt::format("more than {}", max_count));
  for (const json::value& each : value->get_array()) {
    tokens.push_back(TRY(read_token(each, path_of(field))));
  }
  return tokens;
}

Result<void> FieldReader::refuse_rest(std::span<const std::string_view> harmless) const {
  for (const auto& entry : object_) {
    const std::string_view field(entry.key().data(), entry.key().size());
    if (read_.contains(field) || entry.value().is_null() ||
        std::ranges::find(harmless, field) != harmless.end() || asks_for_nothing(entry.value())) {
      continue;
    }
    return bad(field.substr(0, 256), "this field is unknown or not implemented");
  }
  return {};
}

Result<base::TokenId> read_token(const json::value& value, std::string_view where) {
  if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > INT32_MAX) {
    return bad_field(where, "not a token id");
  }
  return base::TokenId{static_cast<std::int32_t>(value.get_int64())};
}

}  // namespace fathom::serve
