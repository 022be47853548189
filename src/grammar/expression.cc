// The table of expression nodes.
#include "grammar/expression.h"

#include <utility>

namespace fathom::grammar {

ExpressionId Expressions::add(Expression node) {
  nodes_.push_back(std::move(node));
  return static_cast<ExpressionId>(nodes_.size() - 1);
}

ExpressionId Expressions::nothing() { return add({.kind = ExpressionKind::kNothing}); }

ExpressionId Expressions::literal(std::string_view bytes) {
  return add({.kind = ExpressionKind::kLiteral, .text = std::string(bytes)});
}

ExpressionId Expressions::code_points(CodePointSet set) {
  return add({.kind = ExpressionKind::kCodePoints, .set = std::move(set)});
}

ExpressionId Expressions::sequence(std::vector<ExpressionId> parts) {
  if (parts.size() == 1) return parts.front();
  return add({.kind = ExpressionKind::kSequence, .children = std::move(parts)});
}

ExpressionId Expressions::choice(std::vector<ExpressionId> options) {
  if (options.size() == 1) return options.front();
  return add({.kind = ExpressionKind::kChoice, .children = std::move(options)});
}

ExpressionId Expressions::repeat(ExpressionId part, std::uint32_t min, std::uint32_t max) {
  return add({.kind = ExpressionKind::kRepeat, .min = min, .max = max, .children = {part}});
}

ExpressionId Expressions::call(RuleId rule) {
  return add({.kind = ExpressionKind::kCall, .min = rule});
}

ExpressionId Expressions::members(std::span<const Member> list, ExpressionId separator,
                                  ExpressionId extra) {
  Expression node{.kind = ExpressionKind::kMembers, .children = {separator, extra}};
  for (const auto& member : list) {
    node.children.push_back(member.expression);
    node.required.push_back(member.required);
  }
  return add(std::move(node));
}

RuleId Expressions::add_rule(std::string name) {
  rules_.push_back({.name = std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

void Expressions::define(RuleId rule, ExpressionId body) {
  rules_[rule].body = body;
  rules_[rule].is_defined = true;
}

}  // namespace fathom::grammar
