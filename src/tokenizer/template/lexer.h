// Tokens of a template, white-space control applied as transformers sets it: trim_blocks and
// lstrip_blocks on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom::tokenizer {

struct Token {
  enum class Kind {
    kText,        // literal output
    kPrintBegin,  // {{
    kPrintEnd,
    kTagBegin,  // {%
    kTagEnd,
    kName,
    kInteger,
    kFloat,
    kString,
    kOperator,
    kEnd,
  };
  Kind kind;
  std::string text;
  int line;
};

base::Result<std::vector<Token>> lex_template(std::string_view source, std::string_view where);

}  // namespace fathom::tokenizer
