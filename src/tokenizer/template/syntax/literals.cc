// Python's number and string literals.
#include "tokenizer/template/syntax/literals.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>

#include "tokenizer/template/value/text.h"

namespace fathom::tokenizer::jinja {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

bool is_digit(char byte, int base) {
  const int digit = byte >= '0' && byte <= '9'   ? byte - '0'
                    : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                    : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                 : 99;
  return digit < base;
}

// Digits with single underscores between them; `at` stands where the first is expected.
std::size_t match_digits(std::string_view source, std::size_t at, int base) {
  std::size_t end = at;
  while (end < source.size()) {
    if (is_digit(source[end], base)) {
      ++end;
    } else if (source[end] == '_' && end > at && end + 1 < source.size() &&
               is_digit(source[end + 1], base)) {
      end += 2;
    } else {
      break;
    }
  }
  return end - at;
}

std::size_t match_exponent(std::string_view source, std::size_t at) {
  if (at >= source.size() || (source[at] != 'e' && source[at] != 'E')) return 0;
  std::size_t digits_at = at + 1;
  if (digits_at < source.size() && (source[digits_at] == '+' || source[digits_at] == '-')) {
    ++digits_at;
  }
  const std::size_t digits = match_digits(source, digits_at, 10);
  return digits == 0 ? 0 : digits_at + digits - at;
}

std::size_t match_float(std::string_view source) {
  const std::size_t whole = match_digits(source, 0, 10);
  if (whole == 0) return 0;
  std::size_t end = whole;
  if (end < source.size() && source[end] == '.') {
    const std::size_t fraction = match_digits(source, end + 1, 10);
    if (fraction > 0) end += 1 + fraction;
  }
  const std::size_t exponent = match_exponent(source, end);
  return end > whole || exponent > 0 ? end + exponent : 0;
}

int prefixed_base(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return 10;
  switch (text[1]) {
    case 'x':
    case 'X':
      return 16;
    case 'o':
    case 'O':
      return 8;
    case 'b':
    case 'B':
      return 2;
    default:
      return 10;
  }
}

std::size_t match_integer(std::string_view source) {
  const int base = prefixed_base(source);
  if (base != 10) {
    const std::size_t skipped = source.size() > 2 && source[2] == '_' ? 3 : 2;
    const std::size_t digits = match_digits(source, skipped, base);
    if (digits > 0) return skipped + digits;
    return 1;
  }
  if (!source.empty() && source[0] == '0') {
    std::size_t end = 1;
    while (end < source.size() && source[end] == '0') ++end;
    return end;
  }
  return match_digits(source, 0, 10);
}

// A number of `num_digits` digits of a base at text[at...], or -1.
std::int64_t escape_number(std::string_view text, std::size_t at, std::size_t num_digits,
                           int base) {
  if (at + num_digits > text.size()) return -1;
  std::int64_t value = 0;
  const char* end = text.data() + at + num_digits;
  const auto parsed = std::from_chars(text.data() + at, end, value, base);
  return parsed.ptr == end && value >= 0 ? value : -1;
}

struct Escape {
  std::size_t size = 2;  // with the backslash
  std::int64_t code_point = -1;
};

// The escape at text[at], a backslash that is not the last byte; code_point -1: no such number.
Escape numeric_escape(std::string_view text, std::size_t at) {
  const char letter = text[at + 1];
  if (letter >= '0' && letter <= '7') {
    std::size_t digits = 1;
    while (digits < 3 && at + 1 + digits < text.size() && is_digit(text[at + 1 + digits], 8)) {
      ++digits;
    }
    return {digits + 1, escape_number(text, at + 1, digits, 8)};
  }
  const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
  return {digits + 2, escape_number(text, at + 2, digits, 16)};
}

}  // namespace

NumberLiteral match_number(std::string_view source, bool after_dot) {
  if (source.empty() || !is_digit(source[0], 10)) return {};
  if (!after_dot) {
    if (const std::size_t size = match_float(source); size > 0) return {size, true};
  }
  return {match_integer(source), false};
}

Result<Token> number_token(std::string_view text, bool is_float) {
  Token token;
  std::string digits;
  for (const char byte : text) {
    if (byte != '_') digits.push_back(byte);
  }
  token.text = digits;
  if (is_float) {
    token.type = TokenType::kFloat;
    token.number = std::strtod(digits.c_str(), nullptr);
    return token;
  }
  token.type = TokenType::kInteger;
  const int base = prefixed_base(digits);
  const char* begin = digits.data() + (base == 10 ? 0 : 2);
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(begin, end, token.integer, base);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return fail(ErrorCode::kOutOfRange, "", "the number {} goes beyond 64 bits", text);
  }
  return token;
}

std::size_t match_string(std::string_view source) {
  const char quote = source[0];
  for (std::size_t at = 1; at < source.size(); ++at) {
    if (source[at] == '\\') {
      ++at;
    } else if (source[at] == quote) {
      return at + 1;
    }
  }
  return 0;
}

Result<std::string> unescape(std::string_view text) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      result.push_back(text[at++]);
      continue;
    }
    const char letter = text[at + 1];
    if (const auto index = kLetters.find(letter); index != std::string_view::npos) {
      result.push_back(kMeanings[index]);
      at += 2;
    } else if (letter == '\n') {
      at += 2;
    } else if (letter == 'x' || letter == 'u' || letter == 'U' || is_digit(letter, 8)) {
      const Escape escape = numeric_escape(text, at);
      if (escape.code_point < 0 || escape.code_point > 0x10FFFF ||
          (escape.code_point >= 0xD800 && escape.code_point <= 0xDFFF)) {
        return fail(ErrorCode::kInvalidArgument, "", "\\{} does not name a character", letter);
      }
      append_utf8(static_cast<char32_t>(escape.code_point), result);
      at += escape.size;
    } else if (letter == 'N' || static_cast<unsigned char>(letter) >= 0x80) {
      return fail(ErrorCode::kUnimplemented, "",
                  "the escape \\N and a backslash before a non-ASCII character are not supported");
    } else {
      result.push_back('\\');  // Python keeps an unknown escape as it stands
      ++at;
    }
  }
  return result;
}

}  // namespace fathom::tokenizer::jinja
