// JSON's own grammar, with bounded white space and numbers.
#include "grammar/json_rules.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <map>
#include <memory>
#include <utility>

#include "grammar/spelling.h"

namespace fathom::grammar {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kMaxIndentSpaces = 32;
constexpr std::uint32_t kMaxIndentTabs = 8;
constexpr std::uint32_t kMaxDigits = 18;
constexpr std::uint32_t kMaxFractionDigits = 17;
constexpr std::uint32_t kMaxExponentDigits = 2;

// 1.0 is written as 1: JSON schemas do not tell them apart.
std::string number_text(double number) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

std::string quoted(std::string_view text) { return '"' + spell(text, Spelling::kJsonString) + '"'; }

// The names of an object's properties by their characters.
struct NameTree {
  std::map<char32_t, std::unique_ptr<NameTree>> children;
  bool is_name = false;

  void insert(std::string_view name) {
    NameTree* node = this;
    std::size_t position = 0;
    while (const auto c = next_code_point(name, position)) {
      auto& child = node->children[*c];
      if (!child) child = std::make_unique<NameTree>();
      node = child.get();
    }
    node->is_name = true;
  }
};

// What may follow the characters that lead to `node`, up to and including the closing quote.
ExpressionId endings_other_than(Expressions& expressions, const NameTree& node, ExpressionId rest) {
  std::vector<ExpressionId> options;
  CodePointSet known;
  for (const auto& [c, child] : node.children) {
    known.add(c, c);
    options.push_back(expressions.sequence({one_of(expressions, {{c, c}}, Spelling::kJsonString),
                                            endings_other_than(expressions, *child, rest)}));
  }
  options.push_back(
      expressions.sequence({one_of(expressions, known.complement(), Spelling::kJsonString), rest}));
  if (!node.is_name) options.push_back(expressions.literal("\""));
  return expressions.choice(std::move(options));
}

}  // namespace

template <typename MakeBody>
ExpressionId JsonRules::shared(std::optional<RuleId>& rule, std::string_view name,
                               MakeBody make_body) {
  if (!rule) {
    // First, so that the body may call it.
    rule = expressions_.add_rule(std::string(name));
    expressions_.define(*rule, make_body());
  }
  return expressions_.call(*rule);
}

ExpressionId JsonRules::set_of(std::initializer_list<CodePointRange> ranges, std::uint32_t min,
                               std::uint32_t max) {
  const auto set = expressions_.code_points(CodePointSet(ranges));
  return min == 1 && max == 1 ? set : expressions_.repeat(set, min, max);
}

ExpressionId JsonRules::space() {
  return shared(space_, "white space", [&] {
    return expressions_.choice(
        {expressions_.literal(""), expressions_.literal(" "),
         expressions_.sequence(
             {expressions_.literal("\n"),
              expressions_.choice({set_of({{' ', ' '}}, 0, kMaxIndentSpaces),
                                   set_of({{'\t', '\t'}}, 1, kMaxIndentTabs)})})});
  });
}

ExpressionId JsonRules::any_value() {
  return shared(value_, "any value", [&] {
    return expressions_.choice(
        {any_string(), any_number(), any_object(), any_array(), boolean(), null()});
  });
}

ExpressionId JsonRules::any_object() {
  return shared(object_, "any object", [&] { return object({}, any_value()); });
}

ExpressionId JsonRules::any_array() {
  return shared(array_, "any array", [&] { return array({.prefix = {}, .rest = any_value()}); });
}

ExpressionId JsonRules::any_string() {
  return shared(string_, "any string", [&] {
    return expressions_.sequence({expressions_.literal("\""),
                                  expressions_.repeat(string_character(), 0, kUnbounded),
                                  expressions_.literal("\"")});
  });
}

ExpressionId JsonRules::string_character() {
  return shared(character_, "string character", [&] {
    const auto hex = [&](std::uint32_t count) {
      return set_of({{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, count, count);
    };
    const auto d = set_of({{'D', 'D'}, {'d', 'd'}});
    const auto direct = CodePointSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}.complement();
    const auto short_escape = set_of({{'"', '"'},
                                      {'\\', '\\'},
                                      {'/', '/'},
                                      {'b', 'b'},
                                      {'f', 'f'},
                                      {'n', 'n'},
                                      {'r', 'r'},
                                      {'t', 't'}});
    const auto not_surrogate = expressions_.choice(
        {expressions_.sequence(
             {set_of({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}), hex(3)}),
         expressions_.sequence({d, set_of({{'0', '7'}}), hex(2)})});
    const auto surrogate_pair = expressions_.sequence(
        {d, set_of({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), hex(2), expressions_.literal("\\u"), d,
         set_of({{'C', 'F'}, {'c', 'f'}}), hex(2)});
    const auto long_escape = expressions_.sequence(
        {expressions_.literal("u"), expressions_.choice({not_surrogate, surrogate_pair})});
    return expressions_.choice(
        {expressions_.code_points(direct),
         expressions_.sequence(
             {expressions_.literal("\\"), expressions_.choice({short_escape, long_escape})})});
  });
}

ExpressionId JsonRules::any_integer() {
  return expressions_.sequence(
      {expressions_.optional(expressions_.literal("-")),
       expressions_.choice({expressions_.literal("0"),
                            expressions_.sequence({set_of({{'1', '9'}}),
                                                   set_of({{'0', '9'}}, 0, kMaxDigits - 1)})})});
}

ExpressionId JsonRules::any_number() {
  return shared(number_, "any number", [&] {
    const auto fraction = expressions_.sequence(
        {expressions_.literal("."), set_of({{'0', '9'}}, 1, kMaxFractionDigits)});
    const auto exponent = expressions_.sequence({set_of({{'E', 'E'}, {'e', 'e'}}),
                                                 set_of({{'+', '+'}, {'-', '-'}}, 0, 1),
                                                 set_of({{'0', '9'}}, 1, kMaxExponentDigits)});
    return expressions_.sequence(
        {any_integer(), expressions_.optional(fraction), expressions_.optional(exponent)});
  });
}

ExpressionId JsonRules::boolean() {
  return expressions_.choice({expressions_.literal("true"), expressions_.literal("false")});
}

ExpressionId JsonRules::separator() {
  return expressions_.sequence({expressions_.literal(","), space()});
}

ExpressionId JsonRules::member(ExpressionId key, ExpressionId value) {
  return expressions_.sequence(
      {key, expressions_.literal(":"), expressions_.optional(expressions_.literal(" ")), value});
}

ExpressionId JsonRules::rest_of_other_key() {
  return shared(rest_of_key_, "rest of a key", [&] {
    return expressions_.sequence(
        {expressions_.repeat(one_of(expressions_, CodePointSet::all(), Spelling::kJsonString), 0,
                             kUnbounded),
         expressions_.literal("\"")});
  });
}

ExpressionId JsonRules::key_other_than(std::span<const Property> properties) {
  if (properties.empty()) return any_string();
  NameTree names;
  for (const auto& property : properties) names.insert(property.name);
  return expressions_.sequence(
      {expressions_.literal("\""), endings_other_than(expressions_, names, rest_of_other_key())});
}

ExpressionId JsonRules::object(std::span<const Property> properties,
                               std::optional<ExpressionId> other) {
  const auto open = expressions_.literal("{");
  const auto close = expressions_.literal("}");
  if (properties.empty() && !other) return expressions_.sequence({open, space(), close});
  std::vector<Member> members;
  for (const auto& property : properties) {
    members.push_back(
        {.expression = member(expressions_.literal(quoted(property.name)), property.value),
         .required = property.required});
  }
  const auto extra = other ? member(key_other_than(properties), *other) : expressions_.nothing();
  const auto filled =
      expressions_.sequence({expressions_.members(members, separator(), extra), space(), close});
  const bool may_be_empty = std::none_of(members.begin(), members.end(),
                                         [](const Member& member) { return member.required; });
  return expressions_.sequence(
      {open, space(), may_be_empty ? expressions_.choice({close, filled}) : filled});
}

ExpressionId JsonRules::array(const Items& items) {
  const auto open = expressions_.literal("[");
  const auto close = expressions_.literal("]");
  if (items.max == 0) return expressions_.sequence({open, space(), close});
  const std::size_t num_prefix = std::min<std::size_t>(items.prefix.size(), items.max);
  // From the back: what follows the first i items.
  const auto first_rest = static_cast<std::uint32_t>(std::max<std::size_t>(num_prefix, 1));
  auto tail = expressions_.repeat(expressions_.sequence({separator(), items.rest}),
                                  items.min > first_rest ? items.min - first_rest : 0,
                                  items.max == kUnbounded ? kUnbounded : items.max - first_rest);
  for (std::size_t i = num_prefix; i > 1; --i) {
    const auto more = expressions_.sequence({separator(), items.prefix[i - 1], tail});
    tail = i - 1 >= items.min ? expressions_.optional(more) : more;
  }
  const auto first = num_prefix > 0 ? items.prefix.front() : items.rest;
  const auto filled = expressions_.sequence({first, tail, space(), close});
  return expressions_.sequence(
      {open, space(), items.min == 0 ? expressions_.choice({close, filled}) : filled});
}

ExpressionId JsonRules::constant(const json::value& value) {
  if (const auto* text = value.if_string())
    return expressions_.literal(quoted({text->data(), text->size()}));
  if (const auto* number = value.if_double()) return expressions_.literal(number_text(*number));
  if (const auto* list = value.if_array()) {
    std::vector<ExpressionId> items;
    for (const auto& item : *list) items.push_back(constant(item));
    const auto count = static_cast<std::uint32_t>(items.size());
    return array(
        {.prefix = std::move(items), .rest = expressions_.nothing(), .min = count, .max = count});
  }
  if (const auto* members = value.if_object()) {
    std::vector<Property> properties;
    for (const auto& [key, member_value] : *members) {
      properties.push_back(
          {.name = std::string(key), .value = constant(member_value), .required = true});
    }
    return object(properties, std::nullopt);
  }
  return expressions_.literal(json::serialize(value));
}

}  // namespace fathom::grammar
