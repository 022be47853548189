// Literals of the template language: numbers and quoted strings.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tokenizer/template/syntax/lexer.h"

namespace fathom::tokenizer::jinja {

// The number at the start of `source`: how many bytes it takes, 0 for none. `after_dot`: the
// number follows a '.', so it is an index and no float.
struct NumberLiteral {
  std::size_t size = 0;
  bool is_float = false;
};
NumberLiteral match_number(std::string_view source, bool after_dot);
// The matched text as a token; refused beyond 64 bits.
base::Result<Token> number_token(std::string_view text, bool is_float);

// The bytes of the quoted string at the start of `source`, quotes included; 0: not closed.
std::size_t match_string(std::string_view source);
// What stands between the quotes, with Python's escapes resolved.
base::Result<std::string> unescape(std::string_view text);

}  // namespace fathom::tokenizer::jinja
