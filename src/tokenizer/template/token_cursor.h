// TokenCursor: a place in a template's tokens, with the steps that parsers take.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tokenizer/template/lexer.h"
#include "tokenizer/template/nesting.h"

namespace fathom::tokenizer {

class TokenCursor {
 public:
  // Deeper nesting than any real template's is refused: parsers recurse.
  static constexpr int kMaxDepth = 100;

  TokenCursor(std::vector<Token> tokens, std::string_view where)
      : tokens_(std::move(tokens)), where_(where) {}

  // An error on the line at hand.
  base::Error bad(std::string_view problem) const {
    return base::fail(base::ErrorCode::kInvalidArgument, where_, "line {}: {}", peek().line,
                      problem);
  }
  const Token& peek(std::size_t offset = 0) const {
    return tokens_[std::min(at_ + offset, tokens_.size() - 1)];
  }
  Token next() {
    Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is_operator(std::string_view text) const {
    return peek().kind == Token::Kind::kOperator && peek().text == text;
  }
  bool is_name(std::string_view text) const {
    return peek().kind == Token::Kind::kName && peek().text == text;
  }
  bool accept_operator(std::string_view text) {
    if (!is_operator(text)) return false;
    next();
    return true;
  }
  bool accept_name(std::string_view text) {
    if (!is_name(text)) return false;
    next();
    return true;
  }
  base::Result<void> expect_operator(std::string_view text) {
    if (accept_operator(text)) return {};
    return bad("expected '" + std::string(text) + "'");
  }
  base::Result<std::string> expect_name() {
    if (peek().kind != Token::Kind::kName) return bad("expected a name");
    return next().text;
  }
  base::Result<void> expect_tag_end() {
    if (peek().kind != Token::Kind::kTagEnd) return bad("unexpected '" + peek().text + "'");
    next();
    return {};
  }

  // Refuses to go deeper than kMaxDepth.
  base::Result<void> check_depth() const {
    return depth_ <= kMaxDepth ? base::Result<void>() : bad("nested too deeply");
  }
  int& depth() { return depth_; }

 private:
  std::vector<Token> tokens_;
  std::string_view where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace fathom::tokenizer
