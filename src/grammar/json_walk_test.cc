// Random walks along the masks: what comes out parses and is valid, by a validator of its own.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "grammar/grammar.h"
#include "grammar/vocabulary_test_data.h"

namespace fathom::grammar {
namespace {

namespace json = boost::json;

std::size_t num_characters(std::string_view text) {
  std::size_t count = 0;
  for (const char byte : text) count += (static_cast<unsigned char>(byte) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

// The keywords of the schemas below, read straight from the schema.
class Validator {
 public:
  explicit Validator(const json::value& root) : root_(root) {}

  bool accepts(const json::value& schema, const json::value& value) const {
    if (const auto* truth = schema.if_bool()) return *truth;
    const auto& rules = schema.as_object();
    if (const auto* ref = rules.if_contains("$ref")) return accepts(named(ref->as_string()), value);
    for (const auto* keyword : {"anyOf", "oneOf", "allOf"}) {
      if (const auto* options = rules.if_contains(keyword)) {
        for (const auto& option : options->as_array()) {
          if (accepts(option, value)) return true;
        }
        return false;
      }
    }
    if (const auto* constant = rules.if_contains("const")) return value == *constant;
    if (const auto* list = rules.if_contains("enum")) {
      for (const auto& item : list->as_array()) {
        if (item == value) return true;
      }
      return false;
    }
    if (const auto* type = rules.if_contains("type")) {
      bool is_any = false;
      for (const auto& name : type->is_array() ? type->as_array() : json::array{*type})
        is_any = is_any || is_of(value, name.as_string());
      if (!is_any) return false;
    }
    return accepts_string(rules, value) && accepts_number(rules, value) &&
           accepts_array(rules, value) && accepts_object(rules, value);
  }

 private:
  const json::value& named(std::string_view ref) const {
    if (ref == "#") return root_;
    return root_.at("$defs").at(ref.substr(std::string_view("#/$defs/").size()));
  }

  static bool is_of(const json::value& value, std::string_view type) {
    return (type == "null" && value.is_null()) || (type == "boolean" && value.is_bool()) ||
           (type == "string" && value.is_string()) || (type == "array" && value.is_array()) ||
           (type == "object" && value.is_object()) || (type == "number" && value.is_number()) ||
           (type == "integer" && (value.is_int64() || value.is_uint64()));
  }

  static bool accepts_string(const json::object& rules, const json::value& value) {
    if (!value.is_string()) return true;
    const std::string text(value.as_string());
    const auto length = static_cast<std::int64_t>(num_characters(text));
    if (rules.contains("minLength") && length < rules.at("minLength").as_int64()) return false;
    if (rules.contains("maxLength") && length > rules.at("maxLength").as_int64()) return false;
    return !rules.contains("pattern") || has_pattern(text, rules.at("pattern").as_string());
  }

  // The two patterns of the schemas below, by hand.
  static bool has_pattern(std::string text, std::string_view pattern) {
    const auto first = text.find_first_of("ab1");
    if (pattern == "[ab1][^\"]") {
      for (auto i = first; i != std::string::npos; i = text.find_first_of("ab1", i + 1)) {
        if (i + 1 < text.size() && text[i + 1] != '"') return true;
      }
      return false;
    }
    for (const std::string_view ending : {"-e", ".0"}) {
      if (!text.ends_with(ending)) continue;
      text.resize(text.size() - ending.size());
      break;
    }
    return text.size() >= 2 && text.size() <= 4 &&
           text.find_first_not_of("ab1") == std::string::npos;
  }

  static bool accepts_number(const json::object& rules, const json::value& value) {
    if (!value.is_number()) return true;
    const auto number = value.to_number<double>();
    const auto bound = [&](const char* keyword) { return rules.at(keyword).to_number<double>(); };
    return !(rules.contains("minimum") && number < bound("minimum")) &&
           !(rules.contains("maximum") && number > bound("maximum")) &&
           !(rules.contains("exclusiveMinimum") && number <= bound("exclusiveMinimum")) &&
           !(rules.contains("exclusiveMaximum") && number >= bound("exclusiveMaximum"));
  }

  bool accepts_array(const json::object& rules, const json::value& value) const {
    if (!value.is_array()) return true;
    const auto& list = value.as_array();
    const auto size = static_cast<std::int64_t>(list.size());
    if (rules.contains("minItems") && size < rules.at("minItems").as_int64()) return false;
    if (rules.contains("maxItems") && size > rules.at("maxItems").as_int64()) return false;
    const auto* prefix = rules.if_contains("prefixItems");
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (prefix != nullptr && i < prefix->as_array().size()) {
        if (!accepts(prefix->as_array()[i], list[i])) return false;
      } else if (rules.contains("items") && !accepts(rules.at("items"), list[i])) {
        return false;
      }
    }
    return true;
  }

  bool accepts_object(const json::object& rules, const json::value& value) const {
    if (!value.is_object()) return true;
    const auto& members = value.as_object();
    if (const auto* required = rules.if_contains("required")) {
      for (const auto& name : required->as_array()) {
        if (!members.contains(name.as_string())) return false;
      }
    }
    const auto* properties = rules.if_contains("properties");
    for (const auto& [key, member] : members) {
      if (properties != nullptr && properties->as_object().contains(key)) {
        if (!accepts(properties->at(key), member)) return false;
      } else if (const auto* other = rules.if_contains("additionalProperties")) {
        if (!accepts(*other, member)) return false;
      }
    }
    return true;
  }

  const json::value& root_;
};

constexpr const char* kSchemas[] = {
    R"({})",
    R"({"type": "object"})",
    R"({"type": ["string", "integer", "null"], "minLength": 2, "maxLength": 5, "maximum": 17})",
    R"({"type": "object", "properties": {"a": {"type": "string"}, "ab": {"type": "integer"},
        "b\"": {"type": "boolean"}}, "required": ["ab"], "additionalProperties": false})",
    R"({"properties": {"a": {"type": "null"}, "ab": {"type": "null"}},
        "additionalProperties": {"type": "integer"}, "type": "object"})",
    R"({"type": "array", "items": {"type": "number", "minimum": -5, "exclusiveMaximum": 12},
        "minItems": 2, "maxItems": 5})",
    R"({"type": "array", "prefixItems": [{"const": "a"}, {"enum": [1, 2, {"a": [null]}]}],
        "items": {"type": "boolean"}, "minItems": 1})",
    R"({"type": "string", "pattern": "^[ab1]{2,4}(-e|\\.0)?$"})",
    R"({"type": "string", "pattern": "[ab1][^\"]"})",
    R"({"type": "integer", "minimum": -120, "maximum": 1032})",
    R"({"type": "number", "exclusiveMinimum": -1, "exclusiveMaximum": 1})",
    R"({"anyOf": [{"$ref": "#/$defs/leaf"}, {"$ref": "#/$defs/node"}],
        "$defs": {"leaf": {"type": "integer"}, "node": {"type": "object", "properties": {
          "kind": {"const": "node"}, "children": {"type": "array", "maxItems": 3,
          "items": {"$ref": "#"}}}, "required": ["kind", "children"],
          "additionalProperties": false}}})",
};

TEST(JsonWalk, WhatTheMasksAllowIsValid) {
  const auto vocabulary = json_vocabulary();
  std::mt19937 random(31);
  for (const auto* text : kSchemas) {
    const auto grammar = Grammar::from_json_schema(text);
    ASSERT_TRUE(grammar) << text << refusal(grammar);
    const json::value schema = json::parse(text);
    for (int i = 0; i < 60; ++i) {
      const std::string answer = random_text(*grammar, vocabulary, random, 5 + i);
      json::error_code code;
      json::parse_options options;
      options.max_depth = 200;
      const json::value value = json::parse(answer, code, {}, options);
      ASSERT_FALSE(code) << text << "\n" << answer;
      ASSERT_TRUE(Validator(schema).accepts(schema, value)) << text << "\n" << answer;
    }
  }
}

// Where the schema names all keys, no key comes twice: the strict reader takes the answer.
TEST(JsonWalk, ClosedObjectsAreStrictJson) {
  const auto vocabulary = json_vocabulary();
  const auto grammar = Grammar::from_json_schema(kSchemas[3]);
  ASSERT_TRUE(grammar);
  std::mt19937 random(32);
  for (int i = 0; i < 100; ++i) {
    const std::string answer = random_text(*grammar, vocabulary, random, 30);
    EXPECT_TRUE(base::parse_json(answer, "answer")) << answer;
  }
}

}  // namespace
}  // namespace fathom::grammar
