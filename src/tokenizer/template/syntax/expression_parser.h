// ExpressionParser: expressions of the template language, with Jinja's precedence.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/template/syntax/ast.h"
#include "tokenizer/template/syntax/lexer.h"

namespace fathom::tokenizer::jinja {

// Works on tokens that end with kEnd. What the interpreter does not implement (filters, tests,
// methods, names) is refused here, by name. Errors carry "where:line".
class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, std::string_view where, std::size_t max_depth)
      : tokens_(std::move(tokens)), where_(where), max_depth_(max_depth) {}

 protected:
  struct TupleRules {
    bool takes_condition = true;  // "a if b" may stand in it
    bool may_be_empty = false;
    std::string_view end_name = {};  // a name that ends it, besides closing tokens
  };

  Result<ExpressionPtr> parse_expression();
  Result<ExpressionPtr> parse_tuple(const TupleRules& rules);
  // "| name(arguments)" any number of times, after `input`. With starts_inline, the first
  // filter stands without "|".
  Result<ExpressionPtr> parse_filters(ExpressionPtr input, bool starts_inline);
  ExpressionPtr captured();

  const Token& current() const { return tokens_[at_]; }
  const Token& following() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  void advance() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool at_name(std::string_view name) const;
  bool at_operator(std::string_view symbol) const;
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view symbol);
  Result<void> expect_operator(std::string_view symbol);
  Result<std::string> expect_name();
  Result<std::string> expect_dotted_name();

  base::Error error_at(int line, ErrorCode code, std::string message) const;
  base::Error unexpected(std::string_view expected) const;
  std::string where_line(int line) const;

  // Levels of the grammar that are open; refuses more than max_depth.
  Result<void> enter();
  void leave() { --nesting_; }

  // Names that the template assigns; they are not the built-in ones.
  std::set<std::string, std::less<>> assigned_names_;
  bool in_macro_ = false;

 private:
  using Level = Result<ExpressionPtr> (ExpressionParser::*)();
  struct BinaryOperator {
    std::string_view symbol;
    Operator op;
  };
  // operand (operator operand)*, to the left.
  Result<ExpressionPtr> parse_left(Level operand, std::initializer_list<BinaryOperator> operators);
  Result<ExpressionPtr> parse_logical(Level operand, std::string_view word, ExpressionType type);
  Result<ExpressionPtr> parse_or();
  Result<ExpressionPtr> parse_and();
  Result<ExpressionPtr> parse_not();
  Result<ExpressionPtr> parse_compare();
  Result<ExpressionPtr> parse_sum();
  Result<ExpressionPtr> parse_concatenation();
  Result<ExpressionPtr> parse_product();
  Result<ExpressionPtr> parse_power();
  Result<ExpressionPtr> parse_filtered();
  Result<ExpressionPtr> parse_unary();
  Result<ExpressionPtr> parse_primary();
  Result<ExpressionPtr> parse_name();
  Result<ExpressionPtr> parse_strings();
  Result<ExpressionPtr> parse_list();
  Result<ExpressionPtr> parse_dict();
  Result<ExpressionPtr> parse_postfix(ExpressionPtr expression);
  Result<ExpressionPtr> parse_attribute(ExpressionPtr object);
  Result<ExpressionPtr> parse_subscript(ExpressionPtr object);
  Result<ExpressionPtr> parse_call(ExpressionPtr callee);
  Result<ExpressionPtr> parse_predicate(ExpressionPtr input);
  Result<void> parse_predicate_arguments(Expression& node);
  Result<void> parse_arguments(Expression& node);
  Result<void> check_named_filter(const Expression& node) const;
  Result<std::optional<Operator>> comparison_operator();

  static Expression node(ExpressionType type, int line);
  // Refuses trees deeper than max_depth.
  Result<ExpressionPtr> finish(Expression node) const;

  std::vector<Token> tokens_;
  std::string_view where_;
  std::size_t max_depth_;
  std::size_t at_ = 0;
  std::size_t nesting_ = 0;
};

}  // namespace fathom::tokenizer::jinja
