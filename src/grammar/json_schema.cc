// One pass over the schema; what $ref names becomes a rule when it is first met.
#include "grammar/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "grammar/json_rules.h"
#include "grammar/scalar_schema.h"
#include "grammar/schema_node.h"
#include "grammar/schema_reference.h"

namespace fathom::grammar {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::size_t kMaxSchemaDepth = 64;

enum class Type : std::uint8_t { kNull, kBoolean, kInteger, kNumber, kString, kArray, kObject };
constexpr std::array<std::string_view, 7> kTypeNames = {"null",   "boolean", "integer", "number",
                                                        "string", "array",   "object"};
constexpr std::array<std::string_view, 1> kTypeKeyword = {"type"};

// The types that keywords speak of, for schemas that name none.
constexpr std::array<std::pair<std::string_view, Type>, 15> kTypeOfKeyword = {{
    {"properties", Type::kObject},
    {"required", Type::kObject},
    {"additionalProperties", Type::kObject},
    {"items", Type::kArray},
    {"prefixItems", Type::kArray},
    {"minItems", Type::kArray},
    {"maxItems", Type::kArray},
    {"minLength", Type::kString},
    {"maxLength", Type::kString},
    {"pattern", Type::kString},
    {"format", Type::kString},
    {"minimum", Type::kNumber},
    {"maximum", Type::kNumber},
    {"exclusiveMinimum", Type::kNumber},
    {"exclusiveMaximum", Type::kNumber},
}};

bool is_of_type(const json::value& value, Type type) {
  switch (type) {
    case Type::kNull:
      return value.is_null();
    case Type::kBoolean:
      return value.is_bool();
    case Type::kInteger:
      return value.is_int64() || value.is_uint64() ||
             (value.is_double() && std::trunc(value.get_double()) == value.get_double());
    case Type::kNumber:
      return value.is_number();
    case Type::kString:
      return value.is_string();
    case Type::kArray:
      return value.is_array();
    case Type::kObject:
      return value.is_object();
  }
  return false;
}

// JSON can say numbers that a double cannot hold; they would come back as no number at all.
bool is_finite(const json::value& value) {
  if (const auto* number = value.if_double()) return std::isfinite(*number);
  if (const auto* list = value.if_array())
    return std::all_of(list->begin(), list->end(), is_finite);
  const auto* members = value.if_object();
  return members == nullptr ||
         std::all_of(members->begin(), members->end(),
                     [](const auto& member) { return is_finite(member.value()); });
}

class SchemaCompiler {
 public:
  SchemaCompiler(const SchemaNode& root, Expressions& expressions)
      : root_(root), expressions_(expressions), rules_(expressions) {}

  Result<void> run() {
    const RuleId root = expressions_.add_rule("#");
    rule_of_.emplace("#", root);
    expressions_.define(root, TRY(compile(root_)));
    while (!pending_.empty()) {
      const auto [rule, node] = std::move(pending_.back());
      pending_.pop_back();
      expressions_.define(rule, TRY(compile(node)));
    }
    return {};
  }

 private:
  // Recursion is as deep as the schema's JSON, which parse_json bounds.
  Result<ExpressionId> compile(const SchemaNode& node) {
    if (const auto* truth = node.value().if_bool())
      return *truth ? rules_.any_value() : expressions_.nothing();
    if (!node.value().is_object()) return node.error("a schema must be an object or a boolean");
    TRY(node.check_keywords());
    if (node.has("$ref")) return compile_reference(node);
    for (const std::string_view keyword : {"anyOf", "oneOf", "allOf"}) {
      if (node.has(keyword)) return compile_options(node, keyword);
    }
    if (node.has("const") || node.has("enum")) return compile_constants(node);
    std::vector<ExpressionId> options;
    for (const auto type : TRY(types_of(node))) options.push_back(TRY(compile_type(node, type)));
    return options.empty() ? rules_.any_value() : expressions_.choice(std::move(options));
  }

  Result<ExpressionId> compile_reference(const SchemaNode& node) {
    TRY(node.check_alone("$ref"));
    const auto reference = TRY(node.string("$ref"));
    const auto known = rule_of_.find(reference);
    if (known != rule_of_.end()) return expressions_.call(known->second);
    const RuleId rule = expressions_.add_rule(std::string(reference));
    rule_of_.emplace(std::string(reference), rule);
    pending_.emplace_back(rule, TRY(find_referenced(node, reference, root_)));
    return expressions_.call(rule);
  }

  Result<ExpressionId> compile_options(const SchemaNode& node, std::string_view keyword) {
    TRY(node.check_alone(keyword));
    const auto* schemas = TRY(node.array(keyword));
    const auto list = node.child(keyword);
    if (schemas->empty()) return list.error("must not be empty");
    if (keyword == "allOf" && schemas->size() > 1)
      return list.error("'allOf' with more than one schema is not supported");
    std::vector<ExpressionId> options;
    for (const auto& schema : *schemas) {
      const auto option = list.child(fmt::format("{}", options.size()), schema);
      options.push_back(TRY(compile(option)));
    }
    return expressions_.choice(std::move(options));
  }

  Result<ExpressionId> compile_constants(const SchemaNode& node) {
    const std::string_view keyword = node.has("const") ? "const" : "enum";
    TRY(node.check_alone(keyword, kTypeKeyword));
    std::vector<const json::value*> values;
    if (keyword == "const") {
      values.push_back(&node.value().get_object().at(keyword));
    } else {
      for (const auto& value : *TRY(node.array(keyword))) values.push_back(&value);
    }
    const auto types = TRY(types_of(node));
    std::vector<ExpressionId> options;
    for (const auto* value : values) {
      const bool is_valid =
          types.empty() || std::any_of(types.begin(), types.end(),
                                       [&](Type type) { return is_of_type(*value, type); });
      if (!is_finite(*value)) return node.error("a number is too large for a double");
      if (is_valid) options.push_back(rules_.constant(*value));
    }
    if (options.empty()) return node.error(fmt::format("'{}' has no value of its type", keyword));
    return expressions_.choice(std::move(options));
  }

  // Empty when neither `type` nor another keyword says which.
  Result<std::vector<Type>> types_of(const SchemaNode& node) {
    std::vector<Type> types;
    const auto add = [&](Type type) {
      if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
    };
    if (!node.has("type")) {
      for (const auto& [keyword, type] : kTypeOfKeyword) {
        if (node.has(keyword)) add(type);
      }
      return types;
    }
    const auto named = node.child("type");
    const auto* list = named.value().if_array();
    if (list != nullptr && list->empty()) return named.error("must not be empty");
    const std::size_t count = list != nullptr ? list->size() : 1;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* text = (list != nullptr ? (*list)[i] : named.value()).if_string();
      const auto* name = text == nullptr ? kTypeNames.end()
                                         : std::find(kTypeNames.begin(), kTypeNames.end(),
                                                     std::string_view(text->data(), text->size()));
      if (name == kTypeNames.end()) {
        return named.error(
            "must be null, boolean, integer, number, string, array or object, or a list of these");
      }
      add(static_cast<Type>(name - kTypeNames.begin()));
    }
    return types;
  }

  Result<ExpressionId> compile_type(const SchemaNode& node, Type type) {
    switch (type) {
      case Type::kNull:
        return rules_.null();
      case Type::kBoolean:
        return rules_.boolean();
      case Type::kInteger:
      case Type::kNumber:
        return compile_number_schema(node, type == Type::kInteger, rules_, expressions_);
      case Type::kString:
        return compile_string_schema(node, rules_, expressions_);
      case Type::kArray:
        return compile_array(node);
      case Type::kObject:
        return compile_object(node);
    }
    return expressions_.nothing();
  }

  Result<ExpressionId> compile_object(const SchemaNode& node) {
    std::vector<JsonRules::Property> properties;
    if (node.has("properties")) {
      const auto list = node.child("properties");
      for (const auto& [key, schema] : *TRY(node.object("properties"))) {
        const std::string name(key);
        properties.push_back({
          .name = name, .value = TRY(compile(list.child(name, schema)))
          , .required = false
        });
      }
    }
    std::optional<ExpressionId> other;
    if (node.has("additionalProperties")) {
      const auto schema = node.child("additionalProperties");
      const auto* truth = schema.value().if_bool();
      if (truth == nullptr || *truth) other = TRY(compile(schema));
    } else if (properties.empty()) {
      other = rules_.any_value();
    }
    TRY(require(node, other, properties));
    if (properties.empty() && other && !node.has("additionalProperties"))
      return rules_.any_object();
    const bool has_long_name = std::any_of(
        properties.begin(), properties.end(),
        [](const auto& property) { return property.name.size() > kMaxDistinctNameBytes; });
    if (other && has_long_name) {
      return node.error(
          fmt::format("a property's name of more than {} bytes beside additional "
                      "properties is not supported",
                      kMaxDistinctNameBytes));
    }
    return rules_.object(properties, other);
  }

  // Marks the required properties; those without a schema of their own come last, in this order.
  Result<void> require(const SchemaNode& node, std::optional<ExpressionId> other,
                       std::vector<JsonRules::Property>& properties) {
    if (!node.has("required")) return {};
    std::map<std::string, std::size_t, std::less<>> index_of;
    for (std::size_t i = 0; i < properties.size(); ++i) index_of.emplace(properties[i].name, i);
    const auto list = node.child("required");
    for (const auto& name : *TRY(node.array("required"))) {
      const auto* text = name.if_string();
      if (text == nullptr) return list.error("must be an array of strings");
      const auto [entry, is_new] = index_of.try_emplace(std::string(*text), properties.size());
      if (is_new) {
        if (node.has("additionalProperties") && !other) {
          return list.error(
              fmt::format("'{}' is required but not among the properties", entry->first));
        }
        properties.push_back(
            {.name = entry->first, .value = other ? *other : rules_.any_value(), .required = true});
      }
      properties[entry->second].required = true;
    }
    return {};
  }

  Result<ExpressionId> compile_array(const SchemaNode& node) {
    JsonRules::Items items {
      .prefix = {}, .rest = {}, .min = TRY(node.count("minItems", 0))
      , .max = TRY(node.count("maxItems", kUnbounded))
    };
    if (items.min > items.max) return node.error("'minItems' is above 'maxItems'");
    if (node.has("prefixItems")) {
      const auto list = node.child("prefixItems");
      for (const auto& schema : *TRY(node.array("prefixItems"))) {
        const auto position = fmt::format("{}", items.prefix.size());
        items.prefix.push_back(TRY(compile(list.child(position, schema))));
      }
    }
    if (node.has("items")) {
      const auto schema = node.child("items");
      if (schema.value().is_array())
        return schema.error("a list is not supported here; use 'prefixItems'");
      items.rest = TRY(compile(schema));
    } else {
      items.rest = rules_.any_value();
    }
    return rules_.array(items);
  }

  const SchemaNode& root_;
  Expressions& expressions_;
  JsonRules rules_;
  std::map<std::string, RuleId, std::less<>> rule_of_;
  std::vector<std::pair<RuleId, SchemaNode>> pending_;
};

}  // namespace

Result<void> parse_json_schema(std::string_view source, std::string_view where,
                               Expressions& expressions) {
  const base::JsonLimits limits{.max_bytes = source.size(), .max_depth = kMaxSchemaDepth};
  const json::value document = TRY(base::parse_json(source, where, limits));
  const SchemaNode root(document, std::string(where), "#");
  return SchemaCompiler(root, expressions).run();
}

}  // namespace fathom::grammar
