// Statements: tags and what stands between them.
#include "tokenizer/template/parser.h"

#include <initializer_list>
#include <utility>

#include "tokenizer/template/expression_parser.h"
#include "tokenizer/template/lexer.h"
#include "tokenizer/template/token_cursor.h"

namespace fathom::tokenizer {
namespace {

using base::Result;

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view where) : cursor_(std::move(tokens), where) {}

  Result<Block> run() {
    Block block = TRY(parse_block({}));
    if (cursor_.peek().kind != Token::Kind::kEnd)
      return cursor_.bad("unexpected '" + cursor_.peek(1).text + "'");
    return block;
  }

 private:
  // Statements up to a tag named in `ends`, which stays unread.
  Result<Block> parse_block(std::initializer_list<std::string_view> ends) {
    const Nesting nesting(cursor_.depth());
    TRY(cursor_.check_depth());
    Block block;
    while (true) {
      const Token& token = cursor_.peek();
      if (token.kind == Token::Kind::kEnd) {
        if (ends.size() == 0) return block;
        return cursor_.bad("expected '" + std::string(*ends.begin()) + "'");
      }
      if (token.kind == Token::Kind::kTagBegin) {
        for (const std::string_view end : ends) {
          if (cursor_.peek(1).kind == Token::Kind::kName && cursor_.peek(1).text == end)
            return block;
        }
        block.push_back(TRY(parse_tag()));
      } else {
        block.push_back(TRY(parse_output()));
      }
    }
  }

  Result<std::unique_ptr<Statement>> parse_output() {
    auto statement = make_statement(Statement::Kind::kText);
    if (cursor_.peek().kind == Token::Kind::kText) {
      statement->text = cursor_.next().text;
      return statement;
    }
    cursor_.next();  // {{
    statement->kind = Statement::Kind::kPrint;
    statement->expression = TRY(parse_tuple(cursor_));
    if (cursor_.peek().kind != Token::Kind::kPrintEnd)
      return cursor_.bad("unexpected '" + cursor_.peek().text + "'");
    cursor_.next();
    return statement;
  }

  std::unique_ptr<Statement> make_statement(Statement::Kind kind) const {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->line = cursor_.peek().line;
    return statement;
  }

  // Skips "{% name %}" of the end tag that parse_block() stopped at.
  Result<void> close_tag() {
    cursor_.next();
    cursor_.next();
    return cursor_.expect_tag_end();
  }

  Result<std::unique_ptr<Statement>> parse_tag() {
    cursor_.next();  // {%
    const std::string name = TRY(cursor_.expect_name());
    if (name == "if") return parse_if();
    if (name == "for") return parse_for();
    if (name == "set") return parse_set();
    if (name == "macro") return parse_macro();
    if (name ==
        "generation") {  // marks the assistant's words for training; prints them as they are
      auto statement = make_statement(Statement::Kind::kGroup);
      TRY(cursor_.expect_tag_end());
      statement->body = TRY(parse_block({"endgeneration"}));
      TRY(close_tag());
      return statement;
    }
    if (name == "break" || name == "continue") {
      if (num_loops_ == 0) return cursor_.bad("'" + name + "' outside a loop");
      auto statement =
          make_statement(name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      TRY(cursor_.expect_tag_end());
      return statement;
    }
    return cursor_.bad("the tag '" + name + "' is not implemented");
  }

  Result<std::unique_ptr<Statement>> parse_if() {
    auto statement = make_statement(Statement::Kind::kIf);
    while (true) {
      ExpressionPtr condition = TRY(parse_expression(cursor_));
      TRY(cursor_.expect_tag_end());
      Block body = TRY(parse_block({"endif", "elif", "else"}));
      statement->branches.emplace_back(std::move(condition), std::move(body));
      const std::string name = cursor_.peek(1).text;
      if (name == "elif") {
        cursor_.next();
        cursor_.next();
        continue;
      }
      TRY(close_tag());
      if (name == "endif") return statement;
      statement->other = TRY(parse_block({"endif"}));
      TRY(close_tag());
      return statement;
    }
  }

  Result<std::unique_ptr<Statement>> parse_for() {
    auto statement = make_statement(Statement::Kind::kFor);
    TRY(parse_targets(*statement));
    if (!cursor_.accept_name("in")) return cursor_.bad("expected 'in'");
    statement->expression = TRY(parse_unconditional(cursor_));
    if (cursor_.accept_name("if")) statement->condition = TRY(parse_expression(cursor_));
    if (cursor_.is_name("recursive")) return cursor_.bad("'recursive' is not implemented");
    TRY(cursor_.expect_tag_end());
    ++num_loops_;
    statement->body = TRY(parse_block({"endfor", "else"}));
    --num_loops_;
    const bool has_else = cursor_.peek(1).text == "else";
    TRY(close_tag());
    if (has_else) {
      statement->other = TRY(parse_block({"endfor"}));
      TRY(close_tag());
    }
    return statement;
  }

  Result<void> parse_targets(Statement& statement) {
    const bool in_brackets = cursor_.accept_operator("(");
    do {
      statement.targets.push_back(TRY(cursor_.expect_name()));
    } while (cursor_.accept_operator(","));
    return in_brackets ? cursor_.expect_operator(")") : Result<void>();
  }

  Result<std::unique_ptr<Statement>> parse_set() {
    auto statement = make_statement(Statement::Kind::kSet);
    TRY(parse_targets(*statement));
    if (cursor_.accept_operator(".")) {
      statement->kind = Statement::Kind::kSetField;
      statement->text = statement->targets[0];
      statement->targets = { TRY(cursor_.expect_name()) };
    }
    if (cursor_.accept_operator("=")) {
      statement->expression = TRY(parse_tuple(cursor_));
      TRY(cursor_.expect_tag_end());
      return statement;
    }
    if (statement->kind == Statement::Kind::kSetField || statement->targets.size() != 1) {
      return cursor_.bad("expected '='");
    }
    TRY(cursor_.expect_tag_end());
    statement->body = TRY(parse_block({"endset"}));
    TRY(close_tag());
    return statement;
  }

  Result<std::unique_ptr<Statement>> parse_macro() {
    auto statement = make_statement(Statement::Kind::kMacro);
    statement->text = TRY(cursor_.expect_name());
    TRY(cursor_.expect_operator("("));
    while (!cursor_.accept_operator(")")) {
      Parameter parameter {
        TRY(cursor_.expect_name())
        , nullptr
      };
      if (cursor_.accept_operator("=")) parameter.fallback = TRY(parse_expression(cursor_));
      statement->parameters.push_back(std::move(parameter));
      if (!cursor_.is_operator(")")) TRY(cursor_.expect_operator(","));
    }
    TRY(cursor_.expect_tag_end());
    const int outer_loops = std::exchange(num_loops_, 0);
    statement->body = TRY(parse_block({"endmacro"}));
    num_loops_ = outer_loops;
    TRY(close_tag());
    return statement;
  }

  TokenCursor cursor_;
  int num_loops_ = 0;
};

}  // namespace

Result<Block> parse_template(std::string_view source, std::string_view where) {
  return Parser(TRY(lex_template(source, where)), where).run();
}

}  // namespace fathom::tokenizer
