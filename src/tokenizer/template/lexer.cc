// One pass over the source, switching between text and tags.
#include "tokenizer/template/lexer.h"

#include <array>
#include <cctype>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view where) : source_(source), where_(where) {}

  Result<std::vector<Token>> run() {
    // A final newline is the file's, not the template's.
    if (source_.ends_with('\n')) source_.remove_suffix(1);
    while (at_ < source_.size()) {
      lex_text();
      if (at_ < source_.size()) TRY(lex_tag());
    }
    add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  Error bad(std::string_view problem) const {
    return base::fail(ErrorCode::kInvalidArgument, where_, "line {}: {}", line_, problem);
  }

  void add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }

  char peek(std::size_t offset = 0) const {
    return at_ + offset < source_.size() ? source_[at_ + offset] : '\0';
  }

  void advance(std::size_t count) {
    for (std::size_t i = 0; i < count && at_ < source_.size(); ++i) {
      if (source_[at_++] == '\n') ++line_;
    }
  }

  // Text up to the next tag, cut as that tag asks.
  void lex_text() {
    std::size_t end = at_;
    while (end < source_.size() &&
           !(source_[end] == '{' && end + 1 < source_.size() &&
             std::string_view("{%#").find(source_[end + 1]) != std::string_view::npos)) {
      ++end;
    }
    std::string_view text = source_.substr(at_, end - at_);
    if (end < source_.size()) {
      const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
      if (sign == '-') {
        while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
      } else if (sign != '+' && source_[end + 1] != '{') {
        text = without_indent(text);
      }
    }
    if (strip_next_) {
      while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    }
    strip_next_ = false;
    if (!text.empty()) add(Token::Kind::kText, std::string(text));
    advance(end - at_);
  }

  // lstrip_blocks: blanks between the start of a line and a tag go.
  std::string_view without_indent(std::string_view text) const {
    std::string_view cut = text;
    while (!cut.empty() && (cut.back() == ' ' || cut.back() == '\t')) cut.remove_suffix(1);
    const bool at_line_start =
        cut.empty() ? (at_ == 0 || source_[at_ - 1] == '\n') : cut.back() == '\n';
    return at_line_start ? cut : text;
  }

  Result<void> lex_tag() {
    const char kind = peek(1);
    advance(2);
    if (peek() == '-' || (peek() == '+' && kind != '{')) advance(1);
    if (kind == '#') return lex_comment();
    const bool is_print = kind == '{';
    add(is_print ? Token::Kind::kPrintBegin : Token::Kind::kTagBegin, "");
    int open_brackets = 0;
    while (true) {
      while (is_space(peek()) && at_ < source_.size()) advance(1);
      if (at_ >= source_.size()) return bad("a tag is not closed");
      if (open_brackets == 0 && lex_tag_end(is_print)) return {};
      TRY(lex_token(open_brackets));
    }
  }

  Result<void> lex_comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) return bad("a comment is not closed");
    strip_next_ = end > at_ && source_[end - 1] == '-';
    advance(end + 2 - at_);
    if (!strip_next_ && peek() == '\n') advance(1);  // trim_blocks
    return {};
  }

  bool lex_tag_end(bool is_print) {
    const char first = is_print ? '}' : '%';
    const bool is_signed = peek() == '-' || (peek() == '+' && !is_print);
    const std::size_t skip = is_signed ? 1 : 0;
    if (peek(skip) != first || peek(skip + 1) != '}') return false;
    const char sign = is_signed ? peek() : '\0';
    add(is_print ? Token::Kind::kPrintEnd : Token::Kind::kTagEnd, "");
    advance(skip + 2);
    strip_next_ = sign == '-';
    if (!is_print && sign == '\0' && peek() == '\n') advance(1);  // trim_blocks
    return true;
  }

  Result<void> lex_token(int& open_brackets) {
    const char c = peek();
    if (starts_name(c)) {
      std::size_t size = 1;
      while (starts_name(peek(size)) || is_digit(peek(size))) ++size;
      return take(Token::Kind::kName, size);
    }
    if (is_digit(c)) return lex_number();
    if (c == '"' || c == '\'') return lex_string(c);
    static constexpr std::array<std::string_view, 6> kPairs = {"==", "!=", "<=", ">=", "//", "**"};
    for (const std::string_view pair : kPairs) {
      if (source_.substr(at_).starts_with(pair)) return take(Token::Kind::kOperator, 2);
    }
    if (std::string_view("+-*/%~<>=()[]{}.,:|").find(c) == std::string_view::npos) {
      return bad("an unexpected character");
    }
    if (c == '(' || c == '[' || c == '{') ++open_brackets;
    if (c == ')' || c == ']' || c == '}') {
      if (--open_brackets < 0) return bad("a bracket is not opened");
    }
    return take(Token::Kind::kOperator, 1);
  }

  Result<void> take(Token::Kind kind, std::size_t size) {
    add(kind, std::string(source_.substr(at_, size)));
    advance(size);
    return {};
  }

  Result<void> lex_number() {
    std::size_t size = 1;
    while (is_digit(peek(size))) ++size;
    if (peek(size) != '.' || !is_digit(peek(size + 1))) return take(Token::Kind::kInteger, size);
    ++size;
    while (is_digit(peek(size))) ++size;
    return take(Token::Kind::kFloat, size);
  }

  Result<void> lex_string(char quote) {
    std::string text;
    std::size_t offset = 1;
    while (peek(offset) != quote) {
      if (at_ + offset >= source_.size()) return bad("a string is not closed");
      if (peek(offset) != '\\') {
        text += peek(offset++);
        continue;
      }
      offset += 2;
      const char escaped = peek(offset - 1);
      const std::size_t digits = escaped == 'x' ? 2 : escaped == 'u' ? 4 : escaped == 'U' ? 8 : 0;
      if (digits > 0) {
        TRY(lex_code_point(offset, digits, text));
        offset += digits;
      } else {
        add_escape(escaped, text);
      }
    }
    add(Token::Kind::kString, std::move(text));
    advance(offset + 1);
    return {};
  }

  Result<void> lex_code_point(std::size_t offset, std::size_t digits, std::string& text) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = peek(offset + i);
      if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return bad("a bad escape");
      value =
          value * 16 + static_cast<std::uint32_t>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return bad("a bad escape");
    append_utf8(static_cast<char32_t>(value), text);
    return {};
  }

  static void add_escape(char escaped, std::string& text) {
    constexpr std::string_view kNames = "nrtabfv0\\'\"";
    constexpr std::string_view kValues("\n\r\t\a\b\f\v\0\\'\"", 11);
    const std::size_t found = kNames.find(escaped);
    if (found != std::string_view::npos) {
      text += kValues[found];
    } else if (escaped != '\n') {  // a line continued
      text += {'\\', escaped};
    }
  }

  std::string_view source_;
  std::string_view where_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool strip_next_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> lex_template(std::string_view source, std::string_view where) {
  return Lexer(source, where).run();
}

}  // namespace fathom::tokenizer
