// Escapes, classes and repeat counts.
#include "grammar/source_reader.h"

#include <fmt/format.h>

#include <string>

#include "grammar/expression.h"

namespace fathom::grammar {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

bool is_letter_or_digit(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// \d, \w, \s and their complements; ASCII, but that white space includes Unicode's.
std::optional<CodePointSet> named_set(char32_t letter) {
  static const CodePointSet digits = {{'0', '9'}};
  static const CodePointSet word = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  static const CodePointSet space = {
      {'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
      {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return digits.complement();
    case 'w':
      return word;
    case 'W':
      return word.complement();
    case 's':
      return space;
    case 'S':
      return space.complement();
    default:
      return std::nullopt;
  }
}

std::optional<char32_t> control_escape(char32_t letter) {
  switch (letter) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    default:
      return std::nullopt;
  }
}

ClassItem single_item(char32_t c) { return {.set = {{c, c}}, .single = c}; }

}  // namespace

bool SourceReader::take(std::string_view prefix) {
  if (!starts_with(prefix)) return false;
  position_ += prefix.size();
  return true;
}

char32_t SourceReader::next() {
  const auto c = next_code_point(text_, position_);
  if (!c) ++position_;
  return c.value_or(0xFFFD);
}

Error SourceReader::error_at(std::size_t position, std::string_view message) const {
  return base::fail(ErrorCode::kInvalidArgument, where_, "at byte {}: {}", position, message);
}

std::optional<std::uint32_t> SourceReader::read_number() {
  std::optional<std::uint32_t> value;
  for (; peek() >= '0' && peek() <= '9'; ++position_) {
    const auto digit = static_cast<std::uint32_t>(peek() - '0');
    value = std::min(value.value_or(0) * 10 + digit, kMaxRepeatCount + 1);
  }
  return value;
}

Result<std::optional<RepeatCounts>> SourceReader::read_counts() {
  const auto begin = position_;
  const auto min = read_number();
  auto max = min;
  if (take(",")) {
    max = read_number();
    if (!min && !max) {
      position_ = begin;
      return std::optional<RepeatCounts>();
    }
    if (!max) max = kUnbounded;
  }
  if (!max || !take("}")) {
    position_ = begin;
    return std::optional<RepeatCounts>();
  }
  const RepeatCounts counts{.min = min.value_or(0), .max = *max};
  if (counts.min > kMaxRepeatCount || (counts.max != kUnbounded && counts.max > kMaxRepeatCount))
    return error_at(begin, fmt::format("a repeat count is above {}", kMaxRepeatCount));
  if (counts.min > counts.max)
    return error_at(begin, "the repeat's least count is above its greatest");
  return std::optional(counts);
}

Result<char32_t> SourceReader::read_hex(std::size_t num_digits) {
  const auto begin = position_;
  char32_t value = 0;
  for (std::size_t i = 0; i < num_digits; ++i) {
    const char c = peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0)
      return error_at(begin, fmt::format("expected {} hexadecimal digits", num_digits));
    value = value * 16 + static_cast<char32_t>(digit);
    ++position_;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
    return error_at(begin, "not a Unicode character; write it directly or as one code point");
  return value;
}

Result<ClassItem> SourceReader::read_escape() {
  const auto begin = position_ - 1;
  if (at_end()) return error_at(begin, "'\\' at the end");
  const char32_t c = next();
  if (const auto set = named_set(c)) return ClassItem{.set = *set};
  if (const auto control = control_escape(c)) return single_item(*control);
  if (c == 'x') return single_item(TRY(read_hex(2)));
  if (c == 'u') return single_item(TRY(read_hex(4)));
  if (c == 'U') return single_item(TRY(read_hex(8)));
  if (c == '0' && !is_letter_or_digit(static_cast<unsigned char>(peek()))) return single_item(0);
  if (c >= '0' && c <= '9') return error_at(begin, "back-references are not supported");
  if (c == 'b' || c == 'B') return error_at(begin, "word boundaries (\\b, \\B) are not supported");
  if (c == 'p' || c == 'P')
    return error_at(begin, "Unicode properties (\\p, \\P) are not supported; write the ranges");
  if (is_letter_or_digit(c)) {
    return error_at(begin, fmt::format("the escape '\\{}' is not supported", static_cast<char>(c)));
  }
  return single_item(c);
}

Result<ClassItem> SourceReader::read_class_item() {
  const auto begin = position_;
  if (at_end()) return error_at(begin, "the class '[' is not closed");
  if (starts_with("[:") || starts_with("[=") || starts_with("[."))
    return error_at(begin, "POSIX classes such as [:alpha:] are not supported; write the ranges");
  if (take("\\")) return read_escape();
  return single_item(next());
}

Result<CodePointSet> SourceReader::read_class() {
  const auto begin = position_;
  const bool is_negated = take("^");
  CodePointSet set;
  while (!take("]")) {
    if (at_end()) return error_at(begin, "the class '[' is not closed");
    const auto item_begin = position_;
    const ClassItem first = TRY(read_class_item());
    const bool is_range = peek() == '-' && peek(1) != ']' && peek(1) != '\0';
    if (!is_range) {
      set.add(first.set);
      continue;
    }
    take("-");
    const ClassItem last = TRY(read_class_item());
    if (!first.single || !last.single)
      return error_at(item_begin, "a range in a class needs one character at each end");
    if (*first.single > *last.single)
      return error_at(item_begin, "a range in a class ends before it begins");
    set.add(*first.single, *last.single);
  }
  return is_negated ? set.complement() : set;
}

}  // namespace fathom::grammar
