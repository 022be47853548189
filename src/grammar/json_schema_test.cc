// JSON schemas: what each keyword allows, and what is refused by name and place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/vocabulary_test_data.h"

namespace fathom::grammar {
namespace {

using testing::HasSubstr;

struct SchemaCase {
  std::string schema;
  std::vector<std::string> yes;
  std::vector<std::string> no;
};

void check(const std::vector<SchemaCase>& cases) {
  for (const auto& c : cases) {
    const auto grammar = Grammar::from_json_schema(c.schema);
    ASSERT_TRUE(grammar) << c.schema << ": " << refusal(grammar);
    for (const auto& text : c.yes) EXPECT_TRUE(matches(*grammar, text)) << c.schema << " " << text;
    for (const auto& text : c.no) EXPECT_FALSE(matches(*grammar, text)) << c.schema << " " << text;
  }
}

TEST(JsonSchema, Types) {
  check({
      {R"({"type": "null"})", {"null"}, {"", "nul", "true", " null", "null "}},
      {R"({"type": "boolean"})", {"true", "false"}, {"null", "\"true\"", "truefalse"}},
      {R"({"type": "integer"})",
       {"0", "-1", "123456789012345678"},
       {"01", "+1", "1.0", "-", "1e3"}},
      {R"({"type": "number"})", {"0", "-1.5", "1e9", "0.25E-7", "10"}, {".5", "1.", "00", "1e"}},
      {R"({"type": "string"})",
       {R"("")", R"("a\n\"\\\u00e9")", "\"é世😀\"", R"("\ud83d\ude00")"},
       {"a", "\"", R"("\x")", "\"a\nb\"", R"("\ud83d")", R"("\ude00")", "\"\xC3\"", "\"\xFF\""}},
      {R"({"type": ["string", "null"]})", {"\"a\"", "null"}, {"1", "true"}},
      {R"({"type": "object"})", {"{}", R"({"a": 1})", R"({"a":{"b":[]}, "c": null})"}, {"[]", "{"}},
      {R"({"type": "array"})", {"[]", "[1]", R"([1, "a", [{}]])"}, {"{}", "[1,]", "[,1]", "[1 2]"}},
      {"true", {"1", "\"a\"", "[null, {\"a\": true}]"}, {"", "x"}},
      {"{}", {"1", "{}"}, {""}},
      {R"({"properties": {"a": {}}})", {"{}", R"({"a": 1})"}, {"1"}},
  });
}

TEST(JsonSchema, WhiteSpaceIsOptionalAndBounded) {
  const std::string schema = R"({"properties": {"a": {"items": {"type": "null"}}}})";
  check({{schema,
          {R"({"a":[null,null]})", R"({"a": [null, null]})", "{\n  \"a\": [\n    null\n  ]\n}",
           "{\n\t\"a\": [\n\t\tnull,\n\t\tnull\n\t]\n}", "{ \"a\": [ null ] }", "{ }"},
          {"{  \"a\": []}", "{\"a\" : []}", "{\"a\":  []}", "{\"a\":\n[]}", "{}\n", "{\n\n}",
           "{\n" + std::string(33, ' ') + "}", "{\r\n}"}}});
}

TEST(JsonSchema, Objects) {
  const std::string properties = R"("properties": {"a": {"const": 1}, "b": {"const": 2}})";
  check({
      {"{" + properties + "}",
       {"{}", R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
       {R"({"b":2,"a":1})", R"({"a":1,"a":1})", R"({"c":1})", R"({"a":1,})", R"({,"b":2})"}},
      {"{" + properties + R"(, "required": ["b"]})",
       {R"({"b":2})", R"({"a":1,"b":2})"},
       {"{}", R"({"a":1})"}},
      {"{" + properties + R"(, "required": ["a"], "additionalProperties": {"type": "null"}})",
       {R"({"a":1})", R"({"a":1,"c":null})", R"({"a":1,"b":2,"c":null,"ab":null,"":null})"},
       {R"({"a":1,"c":1})", R"({"a":1,"b":null})", R"({"a":1,"a":null})", R"({"c":null,"a":1})",
        R"({"a":1,"\u0062":null})"}},
      {R"({"additionalProperties": {"type": "null"}})", {"{}", R"({"x":null})"}, {R"({"x":1})"}},
      {R"({"type": "object", "additionalProperties": false})", {"{}"}, {R"({"a":1})"}},
      {R"({"required": ["x"]})", {R"({"x": [1]})"}, {"{}", R"({"y": 1})"}},
      {R"({"properties": {"q\"\n/": {}}})", {R"({"q\"\n/": 0})"}, {R"({"q\"\n\/": 0})"}},
      {R"({"properties": {"é": {}, "éa": {}}, "additionalProperties": {"type": "null"}})",
       {R"({"é": 1, "éa": 1, "éb": null, "è": null, "e": null})"},
       {R"({"éa": 1, "é": null})"}},
      {R"({"properties": {"a": false}, "required": []})", {"{}"}, {R"({"a":1})"}},
  });
}

TEST(JsonSchema, Arrays) {
  check({
      {R"({"items": {"type": "null"}, "minItems": 2, "maxItems": 3})",
       {"[null,null]", "[null, null, null]"},
       {"[]", "[null]", "[null,null,null,null]"}},
      {R"({"items": {"type": "null"}, "minItems": 1})", {"[null]", "[null,null]"}, {"[]"}},
      {R"({"maxItems": 0})", {"[]"}, {"[1]"}},
      {R"({"prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}})",
       {"[]", "[1]", "[1,2]", "[1,2,3]", "[1,2,3,3]"},
       {"[2]", "[1,3]", "[1,2,4]"}},
      {R"({"prefixItems": [{"const": 1}, {"const": 2}], "items": false, "minItems": 1})",
       {"[1]", "[1,2]"},
       {"[]", "[1,2,3]"}},
      {R"({"prefixItems": [{"const": 1}, {"const": 2}], "minItems": 3, "maxItems": 4})",
       {"[1,2,0]", "[1,2,0,0]"},
       {"[1,2]", "[1,2,0,0,0]"}},
      {R"({"prefixItems": [{"const": 1}, {"const": 2}], "maxItems": 1})", {"[]", "[1]"}, {"[1,2]"}},
      {R"({"items": false})", {"[]"}, {"[1]"}},
  });
}

TEST(JsonSchema, StringsWithLimits) {
  check({
      {R"({"minLength": 1, "maxLength": 3})",
       {R"("a")", R"("a\n\u00e9")", R"("\ud83d\ude00ab")", "\"世界😀\""},
       {R"("")", R"("abcd")", "\"世界😀a\""}},
      {R"({"type": "string", "minLength": 2})", {R"("ab")", R"("abc")"}, {R"("a")"}},
      {R"({"pattern": "^[a-c]+$"})", {R"("abc")"}, {R"("")", R"("abcd")", R"("\u0061")"}},
      {R"({"pattern": "b"})", {R"("b")", R"("abc")", R"("\n\"b")"}, {R"("")", R"("ac")"}},
      {R"({"pattern": "^a|b$"})", {R"("ax")", R"("xb")"}, {R"("xa")", R"("bx")"}},
      {R"({"pattern": "^[\"\\\\\\n]$"})", {R"("\"")", R"("\\")", R"("\n")"}, {"\"\n\"", R"("x")"}},
      {R"({"format": "date"})",
       {R"("2024-02-29")", R"("2000-02-29")", R"("1999-12-31")"},
       {R"("2023-02-29")", R"("1900-02-29")", R"("2024-13-01")", R"("2024-04-31")"}},
      {R"({"format": "time"})", {R"("23:59:59Z")", R"("00:00:00.5+02:00")"}, {R"("24:00:00Z")"}},
      {R"({"format": "date-time"})", {R"("2024-02-29T12:00:00Z")"}, {R"("2024-02-29 12:00:00Z")"}},
      {R"({"format": "uuid"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567e89b12d3a456426614174000")"}},
      {R"({"format": "ipv4"})", {R"("192.168.0.255")"}, {R"("256.1.1.1")", R"("01.1.1.1")"}},
      {R"({"format": "email"})", {R"("a.b+c@example.org")"}, {R"("a@b")", R"("@example.org")"}},
  });
}

TEST(JsonSchema, ConstantsReferencesAndAlternatives) {
  check({
      {R"({"enum": ["a", 1, null, 1.5, [1, {"b": true}], "\u00e9\n"]})",
       {"\"a\"", "1", "null", "1.5", R"([1,{"b":true}])", R"([1, {"b": true}])", "\"é\\n\""},
       {"\"b\"", "2", "[1]", R"("\u0061")"}},
      {R"({"type": "string", "enum": ["a", 1]})", {"\"a\""}, {"1"}},
      {R"({"const": {"a": [], "b": {}}})", {R"({"a":[],"b":{}})"}, {R"({"a":[]})", "{}"}},
      {R"({"const": 18446744073709551615})", {"18446744073709551615"}, {"1"}},
      {R"({"anyOf": [{"type": "null"}, {"const": 1}], "title": "t", "default": null})",
       {"null", "1"},
       {"2"}},
      {R"({"oneOf": [{"const": 1}, {"const": 2}]})", {"1", "2"}, {"3"}},
      {R"({"allOf": [{"const": 1}]})", {"1"}, {"2"}},
      {R"({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"const": 1}}})", {"1"}, {"2"}},
      {R"({"$ref": "#/definitions/n", "definitions": {"n": {"items": {"$ref": "#/definitions/n"}}}})",
       {"[]", "[[],[[]]]"},
       {"[1]", "[[]"}},
      {R"({"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
           "required": ["next"]})",
       {R"({"next": null})", R"({"next": {"next": {"next": null}}})"},
       {"{}", R"({"next": {}})"}},
      {R"({"anyOf": [
             {"properties": {"name": {"const": "get"}, "arguments": {"$ref": "#/$defs/TOOL:get"}},
              "required": ["name", "arguments"], "additionalProperties": false},
             {"properties": {"name": {"const": "go"}, "arguments": {"$ref": "#/$defs/TOOL:go"}},
              "required": ["name", "arguments"], "additionalProperties": false}],
           "$defs": {"TOOL:get": {"properties": {"x": {"type": "integer"}}, "required": ["x"]},
                     "TOOL:go": {"type": "object", "properties": {}}}})",
       {R"({"name": "get", "arguments": {"x": 1}})", R"({"name":"go","arguments":{}})"},
       {R"({"name": "go", "arguments": {"x": 1)", R"({"name": "get", "arguments": {}})",
        R"({"name": "other", "arguments": {}})"}},
  });
}

TEST(JsonSchema, IntegerBoundsAreExact) {
  const auto in_bounds = [](const std::string& keywords, int from, int to) {
    const auto grammar = Grammar::from_json_schema(R"({"type": "integer", )" + keywords + "}");
    ASSERT_TRUE(grammar) << refusal(grammar);
    for (int i = -1300; i <= 1300; ++i) {
      ASSERT_EQ(matches(*grammar, std::to_string(i)), from <= i && i <= to) << keywords << i;
    }
    EXPECT_FALSE(matches(*grammar, "-0"));
    EXPECT_FALSE(matches(*grammar, "007"));
  };
  for (const auto& [min, max] : std::vector<std::pair<int, int>>{{0, 0},
                                                                 {0, 9},
                                                                 {-1, 1},
                                                                 {5, 123},
                                                                 {99, 1001},
                                                                 {-1234, -56},
                                                                 {-1000, 1000},
                                                                 {-9, -9},
                                                                 {100, 199},
                                                                 {-20, 7}}) {
    in_bounds("\"minimum\": " + std::to_string(min) + ", \"maximum\": " + std::to_string(max), min,
              max);
  }
  in_bounds(R"("exclusiveMinimum": 3, "exclusiveMaximum": 10)", 4, 9);
  in_bounds(R"("minimum": 2.5, "exclusiveMaximum": 6.5)", 3, 6);
  in_bounds(R"("minimum": 7, "exclusiveMinimum": 7)", 8, 9999);
  in_bounds(R"("maximum": -7)", -9999, -7);
  check({{R"({"type": "integer", "minimum": -9223372036854775808, "maximum": 9223372036854775807})",
          {"-123456789012345678", "0"},
          {}},
         {R"({"type": "integer", "minimum": 9223372036854775806})",
          {"9223372036854775807", "9223372036854775806"},
          {"9223372036854775805", "9223372036854775808"}}});
}

TEST(JsonSchema, NumberBounds) {
  check({
      {R"({"minimum": 0, "maximum": 1})", {"0", "1", "0.5", "0.0"}, {"-0.1", "1.0", "1.5", "2"}},
      {R"({"type": "number", "exclusiveMinimum": 0})",
       {"0.001", "1", "12.0", "99"},
       {"0", "0.0", "-1", "-0.5"}},
      {R"({"type": "number", "exclusiveMinimum": -2, "exclusiveMaximum": 0})",
       {"-1", "-1.5", "-0.01", "-1.0"},
       {"-2", "-2.5", "0", "-0.0", "1"}},
      {R"({"type": "number", "minimum": -2, "maximum": 10})",
       {"-2", "-1.9", "-0.0", "9.99", "10"},
       {"-2.1", "10.1", "11"}},
  });
}

TEST(JsonSchema, RefusesByNameAndPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"properties": {"a/b": {"not": {}}}})", "at #/properties/a~1b: the keyword 'not'"},
      {R"({"type": "number", "multipleOf": 2})", "at #: the keyword 'multipleOf'"},
      {R"({"patternProperties": {}})", "'patternProperties'"},
      {R"({"items": {"uniqueItems": true}})", "at #/items: the keyword 'uniqueItems'"},
      {R"({"if": {}})", "'if'"},
      {R"({"minProperties": 1})", "'minProperties'"},
      {R"({"unevaluatedProperties": false})", "'unevaluatedProperties'"},
      {R"({"wibble": 1})", "'wibble'"},
      {R"({"anyOf": [{"format": "hostname"}]})", "at #/anyOf/0/format: the format 'hostname'"},
      {R"({"allOf": [{}, {}]})", "'allOf' with more than one"},
      {R"({"anyOf": [{}], "type": "object"})", "'type' beside 'anyOf'"},
      {R"({"anyOf": []})", "must not be empty"},
      {R"({"$ref": "#/properties/a"})", "'$ref' to '#/properties/a'"},
      {R"({"$ref": "http://example.org/"})", "'$ref' to 'http://example.org/'"},
      {R"({"$ref": "#/$defs/a"})", "which is not there"},
      {R"({"$ref": "#/$defs/a/b", "$defs": {"a": {}}})", "part of a definition"},
      {R"({"$ref": "#"})", "left-recursive"},
      {R"({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}})",
       "'#/$defs/a' is left-recursive"},
      {R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})", "no text"},
      {R"J({"pattern": "a(?=b)"})J", "at #/pattern: at byte 1: look-around"},
      {R"({"pattern": "a", "minLength": 1})", "'minLength' beside 'pattern'"},
      {R"({"enum": ["a"], "minLength": 1})", "'minLength' beside 'enum'"},
      {R"({"enum": []})", "no value"},
      {R"({"type": "string", "enum": [1]})", "no value of its type"},
      {R"({"type": "text"})", "at #/type"},
      {R"({"type": []})", "at #/type"},
      {R"({"minItems": -1})", "at #/minItems"},
      {R"({"minItems": 3, "maxItems": 2})", "'minItems' is above"},
      {R"({"minLength": 3, "maxLength": 2})", "'minLength' is above"},
      {R"({"minimum": 3, "maximum": 2})", "no number"},
      {R"({"type": "number", "minimum": 0.5})", "at #/minimum"},
      {R"({"minimum": true})", "at #/minimum"},
      {R"({"const": [1e400]})", "too large for a double"},
      {R"({"required": ["a"], "additionalProperties": false})", "'a' is required but"},
      {R"({"required": "a"})", "at #/required"},
      {R"({"properties": 1})", "at #/properties"},
      {R"({"items": [{}]})", "'prefixItems'"},
      {R"({"additionalProperties": 1})", "at #/additionalProperties: a schema must be"},
      {"false", "no text"},
      {"1", "a schema must be"},
      {"{", "not valid JSON"},
      {R"({"type": "null", "type": "null"})", "twice"},
      {std::string(100, '['), "not valid JSON"},
      {R"({"maxLength": 100000, "type": "array", "items": {"minLength": 99999}})", "states"},
      {"\"" + std::string(300'000, 'a') + "\"", "over the limit"},
  };
  for (const auto& [schema, message] : cases) {
    const auto grammar = Grammar::from_json_schema(schema);
    EXPECT_THAT(refusal(grammar), HasSubstr(message)) << schema.substr(0, 100);
  }
}

TEST(JsonObject, IsAnyObjectUpToItsDepth) {
  const auto grammar = Grammar::from_json_object();
  ASSERT_TRUE(grammar) << refusal(grammar);
  EXPECT_TRUE(matches(*grammar, "{}"));
  EXPECT_TRUE(matches(*grammar, "{\n  \"a\": [1, 2.5e3, \"\\u00e9\", true, null, {}]\n}"));
  for (const auto* text : {"[]", "1", "", "{} ", "{\"a\"}", "{'a': 1}"})
    EXPECT_FALSE(matches(*grammar, text)) << text;
  const auto nested = [](std::size_t depth) {
    std::string text = "{\"a\":";
    text += std::string(depth, '[') + std::string(depth, ']');
    return text + "}";
  };
  EXPECT_TRUE(matches(*grammar, nested(100)));
  EXPECT_FALSE(matches(*grammar, nested(200)));
}

}  // namespace
}  // namespace fathom::grammar
