// Statements of the template language.
#include "tokenizer/template/syntax/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "tokenizer/template/syntax/expression_parser.h"
#include "tokenizer/template/syntax/lexer.h"

namespace fathom::tokenizer::jinja {
namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Result<Block> parse_all() { return parse_block({}); }

 private:
  using Ends = std::initializer_list<std::string_view>;

  bool at_end_tag(const Ends& ends) const {
    return current().type == TokenType::kBlockBegin && following().type == TokenType::kName &&
           std::find(ends.begin(), ends.end(), following().text) != ends.end();
  }

  Statement statement(StatementType type) const {
    Statement result;
    result.type = type;
    result.line = current().line;
    return result;
  }

  // Statements up to a block tag named in `ends` (which stays), or all when `ends` is empty.
  Result<Block> parse_block(Ends ends) {
    TRY(enter());
    Block block;
    while (!at_end_tag(ends)) {
      switch (current().type) {
        case TokenType::kEnd:
          if (ends.size() > 0) return unexpected(fmt::format("'{{% {} %}}'", *ends.begin()));
          leave();
          return block;
        case TokenType::kData: {
          Statement text = statement(StatementType::kText);
          text.text = Text(current().text, false);
          block.push_back(std::move(text));
          advance();
          break;
        }
        case TokenType::kVariableBegin: {
          advance();
          Statement print = statement(StatementType::kPrint);
          print.expressions.push_back(TRY(parse_tuple({})));
          if (current().type != TokenType::kVariableEnd) return unexpected("'}}'");
          advance();
          block.push_back(std::move(print));
          break;
        }
        default:
          advance();
          block.push_back(TRY(parse_statement()));
      }
    }
    leave();
    return block;
  }

  Result<void> expect_block_end() {
    if (current().type != TokenType::kBlockEnd) return unexpected("'%}'");
    advance();
    return {};
  }

  // "%}", statements, and the end tag's name, whose "%}" is left to the caller.
  Result<Block> parse_body(Ends ends, std::string& end) {
    skip_operator(":");
    TRY(expect_block_end());
    Block block = TRY(parse_block(ends));
    advance();
    end = TRY(expect_name());
    return block;
  }

  // The same, for a body with one end tag; takes its "%}" too.
  Result<Block> parse_whole_body(std::string_view end_tag) {
    std::string end;
    Block block = TRY(parse_body({end_tag}, end));
    TRY(expect_block_end());
    return block;
  }

  Result<Statement> parse_statement() {
    const int line = current().line;
    const std::string tag = TRY(expect_name());
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "set") return parse_set();
    if (tag == "macro") return parse_macro();
    if (tag == "with") return parse_with();
    if (tag == "filter") return parse_filter_block();
    if (tag == "generation") return parse_generation();
    if (tag == "break" || tag == "continue") return parse_loop_control(tag, line);
    static constexpr std::array<std::string_view, 11> kUnsupported = {
        "block", "extends", "include", "import", "from",      "call",
        "do",    "trans",   "print",   "debug",  "autoescape"};
    const bool is_known =
        std::find(kUnsupported.begin(), kUnsupported.end(), tag) != kUnsupported.end();
    if (is_known) {
      return error_at(line, ErrorCode::kUnimplemented,
                      fmt::format("the tag '{}' is not supported", tag));
    }
    return error_at(line, ErrorCode::kInvalidArgument,
                    fmt::format("'{}' is not a tag, or stands out of place", tag));
  }

  Result<Statement> parse_if() {
    Statement result = statement(StatementType::kIf);
    std::string end = "elif";
    while (end == "elif") {
      result.expressions.push_back(TRY(parse_tuple({.takes_condition = false})));
      result.blocks.push_back(TRY(parse_body({"endif", "elif", "else"}, end)));
    }
    if (end == "else") result.blocks.push_back(TRY(parse_body({"endif"}, end)));
    TRY(expect_block_end());
    return result;
  }

  Result<Statement> parse_for() {
    Statement result = statement(StatementType::kFor);
    result.targets.push_back(TRY(parse_target(false)));
    if (!skip_name("in")) return unexpected("'in'");
    result.expressions.push_back(TRY(
        parse_tuple({.takes_condition = false, .may_be_empty = false, .end_name = "recursive"})));
    if (skip_name("if")) result.expressions.push_back(TRY(parse_expression()));
    if (at_name("recursive")) {
      return error_at(result.line, ErrorCode::kUnimplemented, "recursive loops are not supported");
    }
    std::string end;
    ++num_loops_;
    result.blocks.push_back(TRY(parse_body({"endfor", "else"}, end)));
    --num_loops_;
    if (end == "else") result.blocks.push_back(TRY(parse_body({"endfor"}, end)));
    TRY(expect_block_end());
    return result;
  }

  Result<Statement> parse_set() {
    Statement result = statement(StatementType::kSet);
    result.targets.push_back(TRY(parse_target(true)));
    if (skip_operator("=")) {
      result.expressions.push_back(TRY(parse_tuple({})));
      TRY(expect_block_end());
      return result;
    }
    result.type = StatementType::kSetBlock;
    if (at_operator("|")) result.expressions.push_back(TRY(parse_filters(captured(), false)));
    ++num_scopes_;
    result.blocks.push_back(TRY(parse_whole_body("endset")));
    --num_scopes_;
    return result;
  }

  Result<Statement> parse_macro() {
    Statement result = statement(StatementType::kMacro);
    if (num_loops_ > 0 || in_macro_ || num_scopes_ > 0) {
      return error_at(result.line, ErrorCode::kUnimplemented,
                      "a macro inside a loop, a with or another macro is not supported");
    }
    result.name = TRY(expect_name());
    assigned_names_.insert(result.name);
    TRY(expect_operator("("));
    while (!at_operator(")")) {
      result.parameters.push_back(TRY(expect_name()));
      assigned_names_.insert(result.parameters.back());
      if (skip_operator("=")) {
        result.expressions.push_back(TRY(parse_expression()));
      } else if (!result.expressions.empty()) {
        return unexpected("a default, as for the parameter before");
      }
      if (!skip_operator(",")) break;
    }
    TRY(expect_operator(")"));
    in_macro_ = true;
    result.blocks.push_back(TRY(parse_whole_body("endmacro")));
    in_macro_ = false;
    return result;
  }

  Result<Statement> parse_with() {
    Statement result = statement(StatementType::kWith);
    while (current().type != TokenType::kBlockEnd) {
      result.targets.push_back(TRY(parse_target(false)));
      TRY(expect_operator("="));
      result.expressions.push_back(TRY(parse_expression()));
      if (!skip_operator(",")) break;
    }
    ++num_scopes_;
    result.blocks.push_back(TRY(parse_whole_body("endwith")));
    --num_scopes_;
    return result;
  }

  Result<Statement> parse_filter_block() {
    Statement result = statement(StatementType::kFilterBlock);
    result.expressions.push_back(TRY(parse_filters(captured(), true)));
    ++num_scopes_;
    result.blocks.push_back(TRY(parse_whole_body("endfilter")));
    --num_scopes_;
    return result;
  }

  // Marks the model's own words for training; prints its body.
  Result<Statement> parse_generation() {
    Statement result = statement(StatementType::kScope);
    const std::size_t num_loops = std::exchange(num_loops_, 0);
    ++num_scopes_;
    result.blocks.push_back(TRY(parse_whole_body("endgeneration")));
    --num_scopes_;
    num_loops_ = num_loops;
    return result;
  }

  Result<Statement> parse_loop_control(std::string_view tag, int line) {
    Statement result = statement(tag == "break" ? StatementType::kBreak : StatementType::kContinue);
    if (num_loops_ == 0) {
      return error_at(line, ErrorCode::kInvalidArgument,
                      fmt::format("'{}' stands outside a loop", tag));
    }
    TRY(expect_block_end());
    return result;
  }

  // name, name.attribute where allowed, or several of them with commas.
  Result<Target> parse_target(bool takes_attribute) {
    Target first = TRY(parse_one_target(takes_attribute));
    if (!at_operator(",")) return first;
    Target tuple;
    tuple.is_tuple = true;
    tuple.parts.push_back(std::move(first));
    while (skip_operator(",")) {
      if (at_name("in") || at_operator("=") || at_operator(")")) break;
      tuple.parts.push_back(TRY(parse_one_target(takes_attribute)));
    }
    return tuple;
  }

  Result<Target> parse_one_target(bool takes_attribute) {
    if (skip_operator("(")) {
      TRY(enter());
      Target inner = TRY(parse_target(takes_attribute));
      leave();
      TRY(expect_operator(")"));
      return inner;
    }
    static constexpr std::array<std::string_view, 7> kConstants = {"true", "True", "false", "False",
                                                                   "none", "None", "loop"};
    Target target;
    const int line = current().line;
    target.name = TRY(expect_name());
    if (std::find(kConstants.begin(), kConstants.end(), target.name) != kConstants.end()) {
      return error_at(line, ErrorCode::kInvalidArgument,
                      fmt::format("'{}' cannot be assigned to", target.name));
    }
    if (takes_attribute && skip_operator(".")) {
      target.attribute = TRY(expect_name());
    } else {
      assigned_names_.insert(target.name);
    }
    return target;
  }

  std::size_t num_loops_ = 0;   // open for loops
  std::size_t num_scopes_ = 0;  // other open blocks with names of their own
};

}  // namespace

Result<Block> parse_template(std::string_view source, std::string_view where,
                             const TemplateLimits& limits) {
  if (source.size() > limits.max_source_bytes) {
    return fail(ErrorCode::kResourceExhausted, where, "the template has {} bytes; at most {}",
                source.size(), limits.max_source_bytes);
  }
  return Parser(TRY(tokenize(source, where)), where, limits.max_depth).parse_all();
}

}  // namespace fathom::tokenizer::jinja
