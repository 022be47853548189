// UTF-8: validation, and the boundaries of characters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::tokenizer {

// Length of the longest prefix that is valid UTF-8.
std::size_t valid_utf8_prefix(std::string_view text);

// The code point at the start of valid, non-empty text, and its length in bytes.
struct CodePoint {
  char32_t value;
  std::size_t num_bytes;
};
CodePoint first_code_point(std::string_view valid_text);

void append_utf8(char32_t code_point, std::string& text);

// How the bytes at the start of `text` go on: a whole character, an invalid run to be shown as one
// U+FFFD, or the beginning of a character whose end has not come yet.
enum class Utf8Start { kCharacter, kInvalid, kIncomplete };
struct Utf8Piece {
  Utf8Start kind;
  std::size_t num_bytes;
};
Utf8Piece first_utf8_piece(std::string_view text);

// Invalid runs replaced by U+FFFD, one for each maximal subpart (Unicode 15, section 3.9).
std::string to_valid_utf8(std::string_view text);

}  // namespace fathom::tokenizer
