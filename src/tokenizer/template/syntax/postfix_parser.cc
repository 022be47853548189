// What follows a value: attributes, subscripts, calls, filters and tests; and the token stream.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tokenizer/template/builtins/methods.h"
#include "tokenizer/template/syntax/expression_parser.h"

namespace fathom::tokenizer::jinja {

bool ExpressionParser::at_name(std::string_view name) const {
  return current().type == TokenType::kName && current().text == name;
}

bool ExpressionParser::at_operator(std::string_view symbol) const {
  return current().type == TokenType::kOperator && current().text == symbol;
}

bool ExpressionParser::skip_name(std::string_view name) {
  if (!at_name(name)) return false;
  advance();
  return true;
}

bool ExpressionParser::skip_operator(std::string_view symbol) {
  if (!at_operator(symbol)) return false;
  advance();
  return true;
}

Result<void> ExpressionParser::expect_operator(std::string_view symbol) {
  if (!skip_operator(symbol)) return unexpected(fmt::format("'{}'", symbol));
  return {};
}

Result<std::string> ExpressionParser::expect_name() {
  if (current().type != TokenType::kName) return unexpected("a name");
  std::string name = current().text;
  advance();
  return name;
}

// Filters and tests of Jinja's extensions may have dots in their names.
Result<std::string> ExpressionParser::expect_dotted_name() {
  std::string name = TRY(expect_name());
  while (skip_operator(".")) name.append(1, '.').append(TRY(expect_name()));
  return name;
}

std::string ExpressionParser::where_line(int line) const {
  return fmt::format("{}:{}", where_, line);
}

base::Error ExpressionParser::error_at(int line, ErrorCode code, std::string message) const {
  return base::Error{code, std::move(message), where_line(line)};
}

base::Error ExpressionParser::unexpected(std::string_view expected) const {
  const Token& token = current();
  std::string found;
  switch (token.type) {
    case TokenType::kVariableEnd:
      found = "'}}'";
      break;
    case TokenType::kBlockEnd:
      found = "'%}'";
      break;
    case TokenType::kEnd:
      found = "the end of the template";
      break;
    case TokenType::kString:
      found = "a string";
      break;
    default:
      found = fmt::format("'{}'", token.text);
  }
  return error_at(token.line, ErrorCode::kInvalidArgument,
                  fmt::format("expected {}, found {}", expected, found));
}

Result<ExpressionPtr> ExpressionParser::parse_postfix(ExpressionPtr expression) {
  while (true) {
    if (at_operator(".")) {
      expression = TRY(parse_attribute(std::move(expression)));
    } else if (at_operator("[")) {
      expression = TRY(parse_subscript(std::move(expression)));
    } else if (at_operator("(")) {
      expression = TRY(parse_call(std::move(expression)));
    } else {
      return expression;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::parse_attribute(ExpressionPtr object) {
  const int line = current().line;
  advance();
  if (current().type == TokenType::kInteger) {
    Expression index = node(ExpressionType::kConstant, line);
    index.constant = Value::integer(current().integer);
    advance();
    Expression subscript = node(ExpressionType::kSubscript, line);
    subscript.operands.push_back(std::move(object));
    subscript.operands.push_back(TRY(finish(std::move(index))));
    return finish(std::move(subscript));
  }
  Expression attribute = node(ExpressionType::kAttribute, line);
  attribute.name = TRY(expect_name());
  if (attribute.name.starts_with("__")) {
    return error_at(line, ErrorCode::kPermissionDenied,
                    fmt::format("the attribute '{}' is out of a template's reach", attribute.name));
  }
  attribute.operands.push_back(std::move(object));
  return finish(std::move(attribute));
}

Result<ExpressionPtr> ExpressionParser::parse_subscript(ExpressionPtr object) {
  Expression subscript = node(ExpressionType::kSubscript, current().line);
  advance();
  subscript.operands.push_back(std::move(object));
  const auto at_bound_end = [this] { return at_operator("]") || at_operator(":"); };
  if (at_operator("]")) return unexpected("an index");
  subscript.operands.push_back(at_bound_end() ? nullptr : TRY(parse_expression()));
  if (at_operator(":")) {
    subscript.type = ExpressionType::kSlice;
    subscript.operands.resize(4);
    for (std::size_t bound = 2; bound < 4 && skip_operator(":"); ++bound) {
      if (!at_bound_end()) subscript.operands[bound] = TRY(parse_expression());
    }
  }
  if (at_operator(",")) {
    return error_at(current().line, ErrorCode::kUnimplemented,
                    "a subscript with several values is not supported");
  }
  TRY(expect_operator("]"));
  return finish(std::move(subscript));
}

Result<void> ExpressionParser::parse_arguments(Expression& node) {
  TRY(expect_operator("("));
  while (!at_operator(")")) {
    if (at_operator("*") || at_operator("**")) {
      return error_at(current().line, ErrorCode::kUnimplemented,
                      "arguments unpacked with * or ** are not supported");
    }
    const bool is_named = current().type == TokenType::kName &&
                          following().type == TokenType::kOperator && following().text == "=";
    if (is_named) {
      std::string name = TRY(expect_name());
      advance();
      node.named.emplace_back(std::move(name), TRY(parse_expression()));
    } else {
      if (!node.named.empty()) return unexpected("a named argument");
      node.operands.push_back(TRY(parse_expression()));
    }
    if (!skip_operator(",")) break;
  }
  return expect_operator(")");
}

Result<ExpressionPtr> ExpressionParser::parse_call(ExpressionPtr callee) {
  Expression call = node(ExpressionType::kCall, current().line);
  if (callee->type == ExpressionType::kAttribute && !is_supported_method(callee->name)) {
    return error_at(call.line, ErrorCode::kUnimplemented,
                    fmt::format("the method '{}' is not supported", callee->name));
  }
  call.operands.push_back(std::move(callee));
  TRY(parse_arguments(call));
  return finish(std::move(call));
}

// map('name'), select('name') and selectattr('attribute', 'name') name filters and tests too.
Result<void> ExpressionParser::check_named_filter(const Expression& node) const {
  const bool takes_path = node.name == "selectattr" || node.name == "rejectattr";
  const bool takes_predicate = takes_path || node.name == "select" || node.name == "reject";
  const std::size_t at = takes_path ? 2 : 1;
  if ((!takes_predicate && node.name != "map") || node.operands.size() <= at) return {};
  const Expression& argument = *node.operands[at];
  if (argument.type != ExpressionType::kConstant || !argument.constant.is(Kind::kString)) return {};
  const std::string& name = argument.constant.as_bytes();
  const bool is_known =
      takes_predicate ? find_predicate(name) != nullptr : find_filter(name) != nullptr;
  if (is_known) return {};
  return error_at(
      node.line, ErrorCode::kUnimplemented,
      fmt::format("the {} '{}' is not supported", takes_predicate ? "test" : "filter", name));
}

Result<ExpressionPtr> ExpressionParser::parse_filters(ExpressionPtr input, bool starts_inline) {
  while (starts_inline || at_operator("|")) {
    if (!std::exchange(starts_inline, false)) advance();
    Expression filter = node(ExpressionType::kFilter, current().line);
    filter.name = TRY(expect_dotted_name());
    filter.filter = find_filter(filter.name);
    if (filter.filter == nullptr) {
      return error_at(filter.line, ErrorCode::kUnimplemented,
                      fmt::format("the filter '{}' is not supported", filter.name));
    }
    filter.operands.push_back(std::move(input));
    if (at_operator("(")) TRY(parse_arguments(filter));
    TRY(check_named_filter(filter));
    input = TRY(finish(std::move(filter)));
  }
  return input;
}

ExpressionPtr ExpressionParser::captured() {
  return std::make_unique<const Expression>(node(ExpressionType::kCaptured, current().line));
}

Result<void> ExpressionParser::parse_predicate_arguments(Expression& node) {
  if (at_operator("(")) return parse_arguments(node);
  const TokenType type = current().type;
  const bool starts_value = type == TokenType::kName || type == TokenType::kString ||
                            type == TokenType::kInteger || type == TokenType::kFloat ||
                            at_operator("[") || at_operator("{");
  if (!starts_value || at_name("else") || at_name("or") || at_name("and")) return {};
  if (at_name("is")) return unexpected("anything but a second test");
  node.operands.push_back(TRY(parse_postfix(TRY(parse_primary()))));
  return {};
}

Result<ExpressionPtr> ExpressionParser::parse_predicate(ExpressionPtr input) {
  Expression predicate = node(ExpressionType::kPredicate, current().line);
  advance();
  const bool is_negated = skip_name("not");
  predicate.name = TRY(expect_dotted_name());
  predicate.predicate = find_predicate(predicate.name);
  if (predicate.predicate == nullptr) {
    return error_at(predicate.line, ErrorCode::kUnimplemented,
                    fmt::format("the test '{}' is not supported", predicate.name));
  }
  predicate.operands.push_back(std::move(input));
  TRY(parse_predicate_arguments(predicate));
  const int line = predicate.line;
  auto result = TRY(finish(std::move(predicate)));
  if (!is_negated) return result;
  Expression negation = node(ExpressionType::kNot, line);
  negation.operands.push_back(std::move(result));
  return finish(std::move(negation));
}

}  // namespace fathom::tokenizer::jinja
