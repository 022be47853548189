// Jinja's lexical rules: tags, white space control, raw blocks, comments, operators.
#include "tokenizer/template/syntax/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tokenizer/template/syntax/literals.h"
#include "tokenizer/template/value/text.h"

namespace fathom::tokenizer::jinja {
namespace {

using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;

// Newlines of all systems as \n, and without the last one.
std::string normalize(std::string_view source) {
  std::string result;
  result.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      result.push_back(source[i]);
    } else {
      result.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (result.ends_with('\n')) result.pop_back();
  return result;
}

bool is_name_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_';
}

class Lexer {
 public:
  Lexer(std::string source, std::string_view where) : source_(std::move(source)), where_(where) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) {
      const std::size_t tag = find_tag();
      if (tag == std::string::npos) {
        push_data(source_.size());
        break;
      }
      TRY(lex_tag(tag));
    }
    push(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }

  template <typename... Args>
  Error error(fmt::format_string<Args...> format, Args&&... args) const {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}:{}", where_, line_), format,
                std::forward<Args>(args)...);
  }

  // A literal's result, with the line in its error.
  template <typename T>
  Result<T> placed(Result<T> literal) const {
    return std::move(literal).transform_error([this](Error cause) {
      cause.where = fmt::format("{}:{}", where_, line_);
      return cause;
    });
  }

  // Where the next "{{", "{%" or "{#" stands.
  std::size_t find_tag() const {
    std::size_t tag = source_.find('{', at_);
    while (tag != std::string::npos) {
      if (tag + 1 < source_.size()) {
        const char kind = source_[tag + 1];
        if (kind == '{' || kind == '%' || kind == '#') return tag;
      }
      tag = source_.find('{', tag + 1);
    }
    return tag;
  }

  void advance(std::size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }

  void push(TokenType type, std::string text) {
    Token token;
    token.type = type;
    token.text = std::move(text);
    token.line = line_;
    tokens_.push_back(std::move(token));
  }

  // Text up to `end`, all of it.
  void push_data(std::size_t end) {
    if (end > at_) push(TokenType::kData, source_.substr(at_, end - at_));
    advance(end);
  }

  // Text up to the tag at `tag`, whose sign ('-', '+' or another byte) decides what is dropped.
  void push_data_before(std::size_t tag, char sign, bool is_variable) {
    std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    if (sign == '-') {
      text.remove_suffix(trailing_space_bytes(text));
    } else if (sign != '+' && !is_variable) {
      const auto newline = text.rfind('\n');
      const std::size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
      const std::string_view indent = text.substr(line_begin);
      if ((line_begin > 0 || starts_line_) && leading_space_bytes(indent) == indent.size()) {
        text = text.substr(0, line_begin);
      }
    }
    if (!text.empty()) push(TokenType::kData, std::string(text));
    advance(tag);
  }

  char sign_at(std::size_t at) const { return at < source_.size() ? source_[at] : '\0'; }

  static bool is_sign(char byte) { return byte == '-' || byte == '+'; }

  Result<void> lex_tag(std::size_t tag) {
    const char kind = source_[tag + 1];
    const char sign = sign_at(tag + 2);
    push_data_before(tag, sign, kind == '{');
    if (kind == '#') return skip_comment();
    if (kind == '%' && TRY(lex_raw())) return {};
    push(kind == '{' ? TokenType::kVariableBegin : TokenType::kBlockBegin, "");
    advance(tag + (is_sign(sign) ? 3 : 2));
    return lex_expression(kind == '{');
  }

  // After a tag's end at `end`: drops what '-' or trim_blocks drop.
  void end_tag(std::size_t end, char sign, bool trims_newline) {
    if (sign == '-') {
      end += leading_space_bytes(std::string_view(source_).substr(end));
    } else if (sign != '+' && trims_newline && sign_at(end) == '\n') {
      ++end;
    }
    advance(end);
    starts_line_ = source_[end - 1] == '\n';
  }

  Result<void> skip_comment() {
    const std::size_t begin = at_ + (is_sign(sign_at(at_ + 2)) ? 3 : 2);
    const std::size_t end = source_.find("#}", begin);
    if (end == std::string::npos) return error("a comment is not closed");
    const char sign = end > begin ? source_[end - 1] : '\0';
    end_tag(end + 2, sign, true);
    return {};
  }

  // The end of "{%", sign, white space, name, white space, "%}" at `at`; 0: something else
  // stands there. `sign` receives what stands before the "%}".
  std::size_t match_plain_tag(std::size_t at, std::string_view name, char& sign) const {
    const std::string_view source = source_;
    if (source.substr(at, 2) != "{%") return 0;
    at += is_sign(sign_at(at + 2)) ? 3 : 2;
    at += leading_space_bytes(source.substr(at));
    if (source.substr(at, name.size()) != name) return 0;
    at += name.size();
    at += leading_space_bytes(source.substr(at));
    sign = sign_at(at);
    if (is_sign(sign)) ++at;
    return source.substr(at, 2) == "%}" ? at + 2 : 0;
  }

  // A whole raw block, if one begins here.
  Result<bool> lex_raw() {
    char sign = '\0';
    const std::size_t begin = match_plain_tag(at_, "raw", sign);
    if (begin == 0 || sign == '+') return false;
    end_tag(begin, sign, false);
    for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 2)) {
      const std::size_t end = match_plain_tag(tag, "endraw", sign);
      if (end == 0) continue;
      push_data_before(tag, sign_at(tag + 2), false);
      end_tag(end, sign, true);
      return true;
    }
    return error("a raw block is not closed");
  }

  // The end of the tag's expression: "}}" or "%}" with its sign, outside brackets. 0: not here.
  std::size_t match_end(bool is_variable, char& sign) const {
    const std::string_view end = is_variable ? "}}" : "%}";
    const std::string_view source = rest();
    sign = source[0];
    // "+" ends a block only; in "{{ a +}}" it is an operator.
    if (sign == '-' || (sign == '+' && !is_variable)) {
      return source.substr(1, 2) == end ? 3 : 0;
    }
    sign = '\0';
    return source.starts_with(end) ? 2 : 0;
  }

  Result<void> lex_expression(bool is_variable) {
    brackets_.clear();
    while (at_ < source_.size()) {
      advance(at_ + leading_space_bytes(rest()));
      if (at_ == source_.size()) break;
      char sign = '\0';
      const std::size_t end = brackets_.empty() ? match_end(is_variable, sign) : 0;
      if (end > 0) {
        push(is_variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, "");
        end_tag(at_ + end, sign, !is_variable);
        return {};
      }
      TRY(lex_token());
    }
    return error("a tag is not closed; '{}' is missing", is_variable ? "}}" : "%}");
  }

  Result<void> lex_token() {
    const char byte = source_[at_];
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (const auto number = match_number(rest(), after_dot); number.size > 0) {
      Token token = TRY(placed(number_token(rest().substr(0, number.size), number.is_float)));
      token.line = line_;
      tokens_.push_back(std::move(token));
      advance(at_ + number.size);
      return {};
    }
    if (is_name_byte(byte)) {
      std::size_t end = at_;
      while (end < source_.size() && is_name_byte(source_[end])) ++end;
      push(TokenType::kName, source_.substr(at_, end - at_));
      advance(end);
      return {};
    }
    if (byte == '\'' || byte == '"') return lex_string();
    return lex_operator();
  }

  Result<void> lex_string() {
    const std::size_t size = match_string(rest());
    if (size == 0) return error("a string is not closed");
    push(TokenType::kString, TRY(placed(unescape(rest().substr(1, size - 2)))));
    advance(at_ + size);
    return {};
  }

  Result<void> lex_operator() {
    static constexpr std::array<std::string_view, 25> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
    const auto found = std::find_if(kOperators.begin(), kOperators.end(),
                                    [this](std::string_view op) { return rest().starts_with(op); });
    if (found == kOperators.end()) {
      const std::size_t size = character_offset(rest(), 1);
      return error("unexpected character '{}'", rest().substr(0, size));
    }
    TRY(balance((*found)[0]));
    push(TokenType::kOperator, std::string(*found));
    advance(at_ + found->size());
    return {};
  }

  Result<void> balance(char byte) {
    static constexpr std::string_view kOpening = "([{";
    static constexpr std::string_view kClosing = ")]}";
    if (const auto index = kOpening.find(byte); index != std::string_view::npos) {
      brackets_.push_back(kClosing[index]);
    } else if (kClosing.find(byte) != std::string_view::npos) {
      if (brackets_.empty()) return error("unexpected '{}'", byte);
      if (brackets_.back() != byte) {
        return error("unexpected '{}', expected '{}'", byte, brackets_.back());
      }
      brackets_.pop_back();
    }
    return {};
  }

  std::string source_;
  std::string_view where_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool starts_line_ = true;  // the last tag ended with a newline, or there was none
  std::string brackets_;     // closing brackets that are owed
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source, std::string_view where) {
  return Lexer(normalize(source), where).run();
}

}  // namespace fathom::tokenizer::jinja
