// Lexer: a template's source as tokens, with Jinja's white space control already applied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom::tokenizer::jinja {

enum class TokenType {
  kData,  // text outside tags
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,  // text holds the value, escapes resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string text;
  int line = 1;
  std::int64_t integer = 0;
  double number = 0;
};

// The source's tokens, ending with kEnd. trim_blocks and lstrip_blocks are on, as in
// transformers: the newline after a block and the blanks before it on its line are no data.
// `source` is valid UTF-8. Errors carry "where:line".
base::Result<std::vector<Token>> tokenize(std::string_view source, std::string_view where);

}  // namespace fathom::tokenizer::jinja
