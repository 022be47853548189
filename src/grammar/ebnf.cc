// A recursive-descent reader of EBNF.
#include "grammar/ebnf.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "grammar/source_reader.h"

namespace fathom::grammar {
namespace {

using base::Error;
using base::Result;

constexpr std::string_view kDefines = "::=";

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

class EbnfReader {
 public:
  EbnfReader(std::string_view source, std::string_view where, Expressions& expressions)
      : reader_(source, where), expressions_(expressions) {}

  Result<void> read() {
    rule_of("root", 0);
    skip_space();
    while (!reader_.at_end()) TRY(read_rule());
    for (const auto& [name, use] : uses_) {
      if (expressions_.rules()[use.rule].is_defined) continue;
      return reader_.error_at(use.position, fmt::format("there is no rule '{}'", name));
    }
    return {};
  }

 private:
  // Where the rule was first named.
  struct Use {
    RuleId rule;
    std::size_t position;
  };

  Error error(std::string_view message) const {
    return reader_.error_at(reader_.position(), message);
  }

  void skip_space() {
    for (;;) {
      const char c = reader_.peek();
      if (c == '#') {
        while (!reader_.at_end() && reader_.peek() != '\n') reader_.next();
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        reader_.next();
      } else {
        return;
      }
    }
  }

  std::string_view read_name() {
    const auto begin = reader_.position();
    while (is_name_character(reader_.peek())) reader_.next();
    return reader_.text_from(begin);
  }

  RuleId rule_of(std::string_view name, std::size_t position) {
    auto use = uses_.find(name);
    if (use == uses_.end()) {
      const RuleId rule = expressions_.add_rule(std::string(name));
      use = uses_.emplace(std::string(name), Use{.rule = rule, .position = position}).first;
    }
    return use->second.rule;
  }

  Result<void> read_rule() {
    const auto begin = reader_.position();
    const auto name = read_name();
    skip_space();
    if (name.empty() || !reader_.take(kDefines))
      return reader_.error_at(begin, "expected a rule: name ::= ...");
    const RuleId rule = rule_of(name, begin);
    if (expressions_.rules()[rule].is_defined)
      return reader_.error_at(begin, fmt::format("rule '{}' is defined twice", name));
    const auto body = TRY(read_alternatives(0));
    if (reader_.peek() == ')') return error("')' without '('");
    expressions_.define(rule, body);
    return {};
  }

  Result<ExpressionId> read_alternatives(std::uint32_t depth) {
    if (depth > kMaxGroupDepth) return error("groups are nested too deeply");
    std::vector<ExpressionId> options;
    do {
      options.push_back(TRY(read_sequence(depth)));
    } while (reader_.take("|"));
    return expressions_.choice(std::move(options));
  }

  // Whether the next rule's "name ::=" is here.
  bool is_at_rule() {
    const auto begin = reader_.position();
    const bool has_name = !read_name().empty();
    skip_space();
    const bool is_rule = has_name && reader_.starts_with(kDefines);
    reader_.rewind(begin);
    return is_rule;
  }

  Result<ExpressionId> read_sequence(std::uint32_t depth) {
    std::vector<ExpressionId> parts;
    skip_space();
    while (!reader_.at_end() && reader_.peek() != '|' && reader_.peek() != ')' && !is_at_rule()) {
      const auto element = TRY(read_element(depth));
      parts.push_back(TRY(read_quantifier(element)));
      skip_space();
    }
    return expressions_.sequence(std::move(parts));
  }

  Result<ExpressionId> read_element(std::uint32_t depth) {
    const auto begin = reader_.position();
    if (reader_.take("\"")) return read_literal(begin);
    if (reader_.take("[")) return expressions_.code_points(TRY(reader_.read_class()));
    if (reader_.take(".")) return expressions_.code_points(CodePointSet::all());
    if (reader_.take("(")) {
      const auto body = TRY(read_alternatives(depth + 1));
      if (!reader_.take(")")) return reader_.error_at(begin, "the group '(' is not closed");
      return body;
    }
    const auto name = read_name();
    if (name.empty()) return error("expected a \"literal\", a [class], a rule's name or a (group)");
    return expressions_.call(rule_of(name, begin));
  }

  Result<ExpressionId> read_literal(std::size_t begin) {
    std::string text;
    while (!reader_.take("\"")) {
      if (reader_.at_end()) return reader_.error_at(begin, "the literal '\"' is not closed");
      const auto position = reader_.position();
      if (reader_.take("\\")) {
        const auto item = TRY(reader_.read_escape());
        if (!item.single) return reader_.error_at(position, "a class escape in a literal");
        append_utf8(*item.single, text);
      } else {
        append_utf8(reader_.next(), text);
      }
    }
    return expressions_.literal(text);
  }

  Result<ExpressionId> read_quantifier(ExpressionId element) {
    if (reader_.take("*")) return expressions_.repeat(element, 0, kUnbounded);
    if (reader_.take("+")) return expressions_.repeat(element, 1, kUnbounded);
    if (reader_.take("?")) return expressions_.optional(element);
    if (!reader_.take("{")) return element;
    const auto counts = TRY(reader_.read_counts());
    if (!counts) return error("expected a repeat count: {m}, {m,} or {m,n}");
    return expressions_.repeat(element, counts->min, counts->max);
  }

  SourceReader reader_;
  Expressions& expressions_;
  std::map<std::string, Use, std::less<>> uses_;
};

}  // namespace

Result<void> parse_ebnf(std::string_view source, std::string_view where, Expressions& expressions) {
  if (!is_valid_utf8(source))
    return base::fail(base::ErrorCode::kInvalidArgument, where, "not valid UTF-8");
  return EbnfReader(source, where, expressions).read();
}

}  // namespace fathom::grammar
