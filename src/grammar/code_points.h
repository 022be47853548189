// Sets of Unicode code points, and the UTF-8 byte sequences that spell them.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::grammar {

struct CodePointRange {
  char32_t first;
  char32_t last;

  bool operator==(const CodePointRange&) const = default;
};

// Scalar values only: surrogates and what lies above U+10FFFF are never members.
class CodePointSet {
 public:
  CodePointSet() = default;
  CodePointSet(std::initializer_list<CodePointRange> ranges);

  static CodePointSet all();

  // Inclusive; first <= last.
  void add(char32_t first, char32_t last);
  void add(const CodePointSet& other);

  CodePointSet complement() const;
  CodePointSet minus(const CodePointSet& other) const;
  bool contains(char32_t code_point) const;
  bool empty() const { return ranges_.empty(); }

  // Ascending, disjoint, not adjacent.
  const std::vector<CodePointRange>& ranges() const { return ranges_; }

 private:
  void insert(CodePointRange range);

  std::vector<CodePointRange> ranges_;
};

struct ByteInterval {
  std::uint8_t first;
  std::uint8_t last;

  auto operator<=>(const ByteInterval&) const = default;
};
// One to four intervals; every choice of bytes from them is one code point of the set.
using ByteSequence = std::vector<ByteInterval>;

// Disjoint sequences that together spell exactly the set's code points.
std::vector<ByteSequence> utf8_sequences(const CodePointSet& set);

void append_utf8(char32_t code_point, std::string& text);

// The code point at text[position], which moves behind it; nothing if the bytes there are not
// valid UTF-8 or the text has ended.
std::optional<char32_t> next_code_point(std::string_view text, std::size_t& position);

// Whether the whole text is valid UTF-8.
bool is_valid_utf8(std::string_view text);

}  // namespace fathom::grammar
