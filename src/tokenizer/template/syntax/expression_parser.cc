// Recursive descent through Jinja's expression grammar.
#include "tokenizer/template/syntax/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace fathom::tokenizer::jinja {

Expression ExpressionParser::node(ExpressionType type, int line) {
  Expression expression;
  expression.type = type;
  expression.line = line;
  return expression;
}

Result<ExpressionPtr> ExpressionParser::finish(Expression node) const {
  for (const auto& operand : node.operands) {
    if (operand) node.depth = std::max(node.depth, operand->depth + 1);
  }
  for (const auto& argument : node.named) {
    node.depth = std::max(node.depth, argument.second->depth + 1);
  }
  if (node.depth > max_depth_) {
    return error_at(node.line, ErrorCode::kResourceExhausted,
                    fmt::format("an expression nests deeper than {}", max_depth_));
  }
  return std::make_unique<const Expression>(std::move(node));
}

Result<void> ExpressionParser::enter() {
  if (nesting_ >= max_depth_) {
    return error_at(current().line, ErrorCode::kResourceExhausted,
                    fmt::format("the template nests deeper than {}", max_depth_));
  }
  ++nesting_;
  return {};
}

Result<ExpressionPtr> ExpressionParser::parse_expression() {
  TRY(enter());
  auto expression = TRY(parse_or());
  while (at_name("if")) {
    Expression condition = node(ExpressionType::kConditional, current().line);
    advance();
    condition.operands.push_back(std::move(expression));
    condition.operands.push_back(TRY(parse_or()));
    condition.operands.push_back(skip_name("else") ? TRY(parse_expression()) : nullptr);
    expression = TRY(finish(std::move(condition)));
  }
  leave();
  return expression;
}

Result<ExpressionPtr> ExpressionParser::parse_tuple(const TupleRules& rules) {
  TRY(enter());
  Expression tuple = node(ExpressionType::kTuple, current().line);
  const auto at_end = [&] {
    const TokenType type = current().type;
    return type == TokenType::kVariableEnd || type == TokenType::kBlockEnd || at_operator(")") ||
           (!rules.end_name.empty() && at_name(rules.end_name));
  };
  bool is_tuple = false;
  while (!at_end()) {
    tuple.operands.push_back(rules.takes_condition ? TRY(parse_expression()) : TRY(parse_or()));
    if (!skip_operator(",")) break;
    is_tuple = true;
  }
  leave();
  if (is_tuple || (tuple.operands.empty() && rules.may_be_empty)) return finish(std::move(tuple));
  if (tuple.operands.empty()) return unexpected("an expression");
  return std::move(tuple.operands.front());
}

Result<ExpressionPtr> ExpressionParser::parse_logical(Level operand, std::string_view word,
                                                      ExpressionType type) {
  auto left = TRY((this->*operand)());
  while (at_name(word)) {
    Expression both = node(type, current().line);
    advance();
    both.operands.push_back(std::move(left));
    both.operands.push_back(TRY((this->*operand)()));
    left = TRY(finish(std::move(both)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_or() {
  return parse_logical(&ExpressionParser::parse_and, "or", ExpressionType::kOr);
}

Result<ExpressionPtr> ExpressionParser::parse_and() {
  return parse_logical(&ExpressionParser::parse_not, "and", ExpressionType::kAnd);
}

Result<ExpressionPtr> ExpressionParser::parse_not() {
  if (!at_name("not")) return parse_compare();
  Expression negation = node(ExpressionType::kNot, current().line);
  advance();
  TRY(enter());
  negation.operands.push_back(TRY(parse_not()));
  leave();
  return finish(std::move(negation));
}

Result<std::optional<Operator>> ExpressionParser::comparison_operator() {
  static constexpr std::array<BinaryOperator, 6> kOperators = {{{"==", Operator::kEqual},
                                                                {"!=", Operator::kNotEqual},
                                                                {"<", Operator::kLess},
                                                                {"<=", Operator::kLessEqual},
                                                                {">", Operator::kGreater},
                                                                {">=", Operator::kGreaterEqual}}};
  for (const auto& [symbol, op] : kOperators) {
    if (skip_operator(symbol)) return std::optional<Operator>(op);
  }
  if (skip_name("in")) return std::optional<Operator>(Operator::kIn);
  if (at_name("not") && following().type == TokenType::kName && following().text == "in") {
    advance();
    advance();
    return std::optional<Operator>(Operator::kNotIn);
  }
  return std::optional<Operator>();
}

Result<ExpressionPtr> ExpressionParser::parse_compare() {
  const int line = current().line;
  auto first = TRY(parse_sum());
  Expression comparison = node(ExpressionType::kCompare, line);
  comparison.operands.push_back(std::move(first));
  while (const auto op = TRY(comparison_operator())) {
    comparison.operators.push_back(*op);
    comparison.operands.push_back(TRY(parse_sum()));
  }
  if (comparison.operators.empty()) return std::move(comparison.operands.front());
  return finish(std::move(comparison));
}

Result<ExpressionPtr> ExpressionParser::parse_left(
    Level operand, std::initializer_list<BinaryOperator> operators) {
  auto left = TRY((this->*operand)());
  while (true) {
    const auto found =
        std::find_if(operators.begin(), operators.end(),
                     [this](const BinaryOperator& item) { return at_operator(item.symbol); });
    if (found == operators.end()) return left;
    Expression binary = node(ExpressionType::kArithmetic, current().line);
    advance();
    binary.operators.push_back(found->op);
    binary.operands.push_back(std::move(left));
    binary.operands.push_back(TRY((this->*operand)()));
    left = TRY(finish(std::move(binary)));
  }
}

Result<ExpressionPtr> ExpressionParser::parse_sum() {
  return parse_left(&ExpressionParser::parse_concatenation,
                    {{"+", Operator::kAdd}, {"-", Operator::kSubtract}});
}

Result<ExpressionPtr> ExpressionParser::parse_concatenation() {
  auto first = TRY(parse_product());
  if (!at_operator("~")) return first;
  Expression joined = node(ExpressionType::kConcatenate, current().line);
  joined.operands.push_back(std::move(first));
  while (skip_operator("~")) joined.operands.push_back(TRY(parse_product()));
  return finish(std::move(joined));
}

Result<ExpressionPtr> ExpressionParser::parse_product() {
  return parse_left(&ExpressionParser::parse_power, {{"*", Operator::kMultiply},
                                                     {"/", Operator::kDivide},
                                                     {"//", Operator::kFloorDivide},
                                                     {"%", Operator::kModulo}});
}

Result<ExpressionPtr> ExpressionParser::parse_power() {
  return parse_left(&ExpressionParser::parse_filtered, {{"**", Operator::kPower}});
}

Result<ExpressionPtr> ExpressionParser::parse_filtered() {
  auto expression = TRY(parse_unary());
  while (true) {
    if (at_operator("|")) {
      expression = TRY(parse_filters(std::move(expression), false));
    } else if (at_name("is")) {
      expression = TRY(parse_predicate(std::move(expression)));
    } else if (at_operator("(")) {
      expression = TRY(parse_call(std::move(expression)));
    } else {
      return expression;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::parse_unary() {
  if (!at_operator("-") && !at_operator("+")) return parse_postfix(TRY(parse_primary()));
  Expression sign =
      node(at_operator("-") ? ExpressionType::kNegate : ExpressionType::kPlus, current().line);
  advance();
  TRY(enter());
  sign.operands.push_back(TRY(parse_unary()));
  leave();
  return parse_postfix(TRY(finish(std::move(sign))));
}

Result<ExpressionPtr> ExpressionParser::parse_primary() {
  const Token& token = current();
  Expression constant = node(ExpressionType::kConstant, token.line);
  switch (token.type) {
    case TokenType::kName:
      return parse_name();
    case TokenType::kString:
      return parse_strings();
    case TokenType::kInteger:
      constant.constant = Value::integer(token.integer);
      advance();
      return finish(std::move(constant));
    case TokenType::kFloat:
      constant.constant = Value::number(token.number);
      advance();
      return finish(std::move(constant));
    default:
      break;
  }
  if (skip_operator("(")) {
    auto inner = TRY(parse_tuple({.takes_condition = true, .may_be_empty = true}));
    TRY(expect_operator(")"));
    return inner;
  }
  if (at_operator("[")) return parse_list();
  if (at_operator("{")) return parse_dict();
  return unexpected("an expression");
}

Result<ExpressionPtr> ExpressionParser::parse_name() {
  static constexpr std::array<std::string_view, 7> kRefused = {
      "strftime_now", "cycler", "joiner", "lipsum", "self", "super", "gettext"};
  static constexpr std::array<std::string_view, 3> kRefusedInMacros = {"caller", "varargs",
                                                                       "kwargs"};
  const auto has = [](const auto& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const int line = current().line;
  const std::string name = current().text;
  advance();
  Expression expression = node(ExpressionType::kConstant, line);
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    expression.constant = Value::boolean(name == "true" || name == "True");
    return finish(std::move(expression));
  }
  if (name == "none" || name == "None") {
    expression.constant = Value::none();
    return finish(std::move(expression));
  }
  if (!assigned_names_.contains(name) &&
      (has(kRefused, name) || (in_macro_ && has(kRefusedInMacros, name)))) {
    return error_at(line, ErrorCode::kUnimplemented,
                    fmt::format("'{}' is not supported in templates{}", name,
                                name == "strftime_now"
                                    ? ": a prompt depends on its messages alone, not on the clock"
                                    : ""));
  }
  expression.type = ExpressionType::kName;
  expression.name = name;
  return finish(std::move(expression));
}

Result<ExpressionPtr> ExpressionParser::parse_strings() {
  Expression constant = node(ExpressionType::kConstant, current().line);
  std::string text;
  for (; current().type == TokenType::kString; advance()) text += current().text;
  constant.constant = Value::trusted_string(std::move(text));
  return finish(std::move(constant));
}

Result<ExpressionPtr> ExpressionParser::parse_list() {
  Expression list = node(ExpressionType::kList, current().line);
  advance();
  while (!at_operator("]")) {
    list.operands.push_back(TRY(parse_expression()));
    if (!skip_operator(",")) break;
  }
  TRY(expect_operator("]"));
  return finish(std::move(list));
}

Result<ExpressionPtr> ExpressionParser::parse_dict() {
  Expression dict = node(ExpressionType::kDict, current().line);
  advance();
  while (!at_operator("}")) {
    dict.operands.push_back(TRY(parse_expression()));
    TRY(expect_operator(":"));
    dict.operands.push_back(TRY(parse_expression()));
    if (!skip_operator(",")) break;
  }
  TRY(expect_operator("}"));
  return finish(std::move(dict));
}

}  // namespace fathom::tokenizer::jinja
