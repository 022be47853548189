// Expressions: what a grammar's source says, before it becomes an automaton.
//
// Every front end (regular expression, EBNF, JSON schema) writes into one Expressions, whose rules
// then compile to one Automaton. Expressions are immutable nodes of a table and may be shared.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/code_points.h"

namespace fathom::grammar {

enum class ExpressionId : std::uint32_t {};
using RuleId = std::uint32_t;

constexpr std::uint32_t kUnbounded = std::numeric_limits<std::uint32_t>::max();

enum class ExpressionKind : std::uint8_t {
  kNothing,     // matches no text at all
  kLiteral,     // exactly `text`; the empty text included
  kCodePoints,  // one code point of `set`
  kSequence,
  kChoice,
  kRepeat,   // `min` to `max` times the only child
  kCall,     // the rule `min`
  kMembers,  // an ordered list with separators, some members optional; see Expressions::members
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kNothing;
  std::uint32_t min = 0;
  std::uint32_t max = 0;
  std::string text;
  CodePointSet set;
  std::vector<ExpressionId> children;
  std::vector<bool> required;  // kMembers: one for each member
};

struct Member {
  ExpressionId expression;
  bool required;
};

struct Rule {
  std::string name;
  ExpressionId body{};
  bool is_defined = false;
};

class Expressions {
 public:
  ExpressionId nothing();
  ExpressionId literal(std::string_view bytes);
  ExpressionId code_points(CodePointSet set);
  ExpressionId sequence(std::vector<ExpressionId> parts);
  ExpressionId choice(std::vector<ExpressionId> options);
  // max may be kUnbounded; min <= max.
  ExpressionId repeat(ExpressionId part, std::uint32_t min, std::uint32_t max);
  ExpressionId optional(ExpressionId part) { return repeat(part, 0, 1); }
  ExpressionId call(RuleId rule);
  // At least one of the members, in this order, with `separator` between any two that are there,
  // the required ones always there, then any number of `extra`. No member matches the empty text.
  ExpressionId members(std::span<const Member> list, ExpressionId separator, ExpressionId extra);

  // Rules may be called before they are defined.
  RuleId add_rule(std::string name);
  void define(RuleId rule, ExpressionId body);

  const Expression& operator[](ExpressionId id) const {
    return nodes_[static_cast<std::size_t>(id)];
  }
  const std::vector<Rule>& rules() const { return rules_; }
  std::size_t num_nodes() const { return nodes_.size(); }

 private:
  ExpressionId add(Expression node);

  std::vector<Expression> nodes_;
  std::vector<Rule> rules_;
};

}  // namespace fathom::grammar
