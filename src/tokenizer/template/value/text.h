// Text: a UTF-8 string that knows which of its bytes came from untrusted input.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_range.h"

namespace fathom::tokenizer::jinja {

// Invariants: bytes() is valid UTF-8; untrusted() is sorted, disjoint, merged, and its ends lie
// between characters.
class Text {
 public:
  Text() = default;
  Text(std::string bytes, bool is_untrusted);

  const std::string& bytes() const { return bytes_; }
  std::size_t size_bytes() const { return bytes_.size(); }
  std::span<const base::ByteRange> untrusted() const { return untrusted_; }
  bool is_untrusted() const { return !untrusted_.empty(); }
  // Memory that the text holds.
  std::size_t held_bytes() const {
    return bytes_.size() + untrusted_.size() * sizeof(base::ByteRange);
  }

  // Bytes [begin, end); both lie between characters.
  Text slice(std::size_t begin, std::size_t end) const;

  void append(const Text& other) { append(other, 0, other.size_bytes()); }
  // Bytes [begin, end) of other.
  void append(const Text& other, std::size_t begin, std::size_t end);
  void append(std::string_view bytes, bool is_untrusted = false);

  // Gives up bytes and ranges; leaves the text empty.
  std::string take_bytes() { return std::move(bytes_); }
  std::vector<base::ByteRange> take_untrusted() { return std::move(untrusted_); }

 private:
  void mark(std::size_t begin, std::size_t end);

  std::string bytes_;
  std::vector<base::ByteRange> untrusted_;
};

// Walks over the characters of a text with their trust.
class Characters {
 public:
  explicit Characters(const Text& text) : text_(text) {}

  bool at_end() const { return begin_ == text_.size_bytes(); }
  std::size_t offset() const { return begin_; }
  // The character at offset(); moves on.
  struct Character {
    char32_t code_point;
    std::string_view bytes;
    bool is_untrusted;
  };
  Character next();

 private:
  const Text& text_;
  std::size_t begin_ = 0;
  std::size_t range_ = 0;
};

bool is_valid_utf8(std::string_view bytes);
// Code points.
std::size_t count_characters(std::string_view bytes);
// Byte offset of a character; count_characters() or more gives the size.
std::size_t character_offset(std::string_view bytes, std::size_t character);
// What Python's str.isspace() and str.strip() take for white space.
bool is_space(char32_t code_point);
void append_utf8(char32_t code_point, std::string& out);
// The bytes of white space at the front and at the back.
std::size_t leading_space_bytes(std::string_view bytes);
std::size_t trailing_space_bytes(std::string_view bytes);

}  // namespace fathom::tokenizer::jinja
