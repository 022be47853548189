// The keywords there are, and typed access to their values.
#include "grammar/schema_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "grammar/source_reader.h"

namespace fathom::grammar {
namespace {

namespace json = boost::json;
using base::Error;
using base::ErrorCode;
using base::Result;

// They say nothing about which values are valid.
constexpr std::array<std::string_view, 15> kAnnotations = {
    "title",     "description",   "default",  "example",     "examples",
    "$schema",   "$id",           "$comment", "deprecated",  "readOnly",
    "writeOnly", "discriminator", "$defs",    "definitions", "$anchor"};

constexpr std::array<std::string_view, 22> kKeywords = {"type",
                                                        "enum",
                                                        "const",
                                                        "anyOf",
                                                        "oneOf",
                                                        "allOf",
                                                        "$ref",
                                                        "properties",
                                                        "required",
                                                        "additionalProperties",
                                                        "items",
                                                        "prefixItems",
                                                        "minItems",
                                                        "maxItems",
                                                        "minLength",
                                                        "maxLength",
                                                        "pattern",
                                                        "format",
                                                        "minimum",
                                                        "maximum",
                                                        "exclusiveMinimum",
                                                        "exclusiveMaximum"};

bool is_annotation(std::string_view keyword) {
  return std::find(kAnnotations.begin(), kAnnotations.end(), keyword) != kAnnotations.end();
}

std::string escaped(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result.push_back(c);
    }
  }
  return result;
}

}  // namespace

Error SchemaNode::error(std::string_view message) const {
  return base::fail(ErrorCode::kInvalidArgument, where_, "at {}: {}", pointer_, message);
}

bool SchemaNode::has(std::string_view keyword) const {
  return value_->get_object().contains(keyword);
}

Result<void> SchemaNode::check_keywords() const {
  for (const auto& [key, value] : value_->get_object()) {
    const std::string_view keyword(key.data(), key.size());
    if (is_annotation(keyword)) continue;
    if (std::find(kKeywords.begin(), kKeywords.end(), keyword) != kKeywords.end()) continue;
    return error(fmt::format("the keyword '{}' is not supported", keyword));
  }
  return {};
}

Result<void> SchemaNode::check_alone(std::string_view keyword,
                                     std::span<const std::string_view> allowed) const {
  for (const auto& [key, value] : value_->get_object()) {
    const std::string_view other(key.data(), key.size());
    if (other == keyword || is_annotation(other)) continue;
    if (std::find(allowed.begin(), allowed.end(), other) != allowed.end()) continue;
    return error(fmt::format("'{}' beside '{}' is not supported", other, keyword));
  }
  return {};
}

SchemaNode SchemaNode::child(std::string_view keyword) const {
  return child(keyword, value_->get_object().at(keyword));
}

SchemaNode SchemaNode::child(std::string_view name, const json::value& value) const {
  return {value, where_, pointer_ + "/" + escaped(name)};
}

Result<std::uint32_t> SchemaNode::count(std::string_view keyword, std::uint32_t fallback) const {
  if (!has(keyword)) return fallback;
  const auto node = child(keyword);
  std::int64_t count = -1;
  if (const auto* number = node.value().if_int64()) count = *number;
  if (const auto* number = node.value().if_double();
      number != nullptr && *number >= 0 && *number <= kMaxRepeatCount) {
    const auto whole = static_cast<std::int64_t>(*number);
    if (static_cast<double>(whole) == *number) count = whole;
  }
  if (count < 0 || count > kMaxRepeatCount)
    return node.error(fmt::format("must be a whole number from 0 to {}", kMaxRepeatCount));
  return static_cast<std::uint32_t>(count);
}

Result<const json::object*> SchemaNode::object(std::string_view keyword) const {
  const auto node = child(keyword);
  if (const auto* members = node.value().if_object()) return members;
  return node.error("must be an object");
}

Result<const json::array*> SchemaNode::array(std::string_view keyword) const {
  const auto node = child(keyword);
  if (const auto* list = node.value().if_array()) return list;
  return node.error("must be an array");
}

Result<std::string_view> SchemaNode::string(std::string_view keyword) const {
  const auto node = child(keyword);
  if (const auto* text = node.value().if_string())
    return std::string_view(text->data(), text->size());
  return node.error("must be a string");
}

}  // namespace fathom::grammar
