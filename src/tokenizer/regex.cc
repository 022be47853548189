// Translation of patterns and the calls of PCRE2.
#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <utility>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::size_t kMaxPatternBytes = 64 << 10;
// Far more than a real pattern needs for a megabyte; ends a hostile one within seconds.
constexpr std::uint32_t kMatchLimit = 20'000'000;
// Oniguruma's \s: Unicode's White_Space. PCRE2's own has U+180E besides.
constexpr std::string_view kSpaces =
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";

// Rewrites what the two dialects read differently.
Result<std::string> translate(std::string_view pattern, std::string_view where) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        out += in_class ? std::string(kSpaces) : "[" + std::string(kSpaces) + "]";
      } else if (escaped == 'S') {
        if (in_class) {
          return fail(ErrorCode::kUnimplemented, where, "\\S inside a class is not implemented");
        }
        out += "[^" + std::string(kSpaces) + "]";
      } else {
        out += {'\\', escaped};
      }
      continue;
    }
    if (in_class && c == '[') {
      // Oniguruma takes it for a class of its own, PCRE2 for a bracket.
      return fail(ErrorCode::kUnimplemented, where, "a class inside a class is not implemented");
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out.push_back(c);
  }
  // A run of spaces that does not reach the end would be tried again from each of its spaces,
  // which takes quadratic time. The leftmost match can only start where a run does.
  const std::string spaces_to_end = "[" + std::string(kSpaces) + "]+$";
  if (out == spaces_to_end) out = "(?:\\G|(?<![" + std::string(kSpaces) + "]))" + out;
  return out;
}

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  bool is_compiled_to_machine_code = false;
  std::string where;

  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }
};

struct Regex::Scratch::State {
  pcre2_match_data* data;
  pcre2_match_context* context;

  explicit State(const pcre2_code* code)
      : data(pcre2_match_data_create_from_pattern(code, nullptr)),
        context(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(context, kMatchLimit);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

Regex::Regex(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::Scratch::Scratch(const Regex& regex) : state_(std::make_unique<State>(regex.code_->code)) {}
Regex::Scratch::~Scratch() = default;
Regex::Scratch::Scratch(Scratch&&) noexcept = default;
Regex::Scratch& Regex::Scratch::operator=(Scratch&&) noexcept = default;

Result<Regex> Regex::compile(std::string_view pattern, std::string_view where) {
  if (pattern.size() > kMaxPatternBytes) {
    return fail(ErrorCode::kInvalidArgument, where, "a pattern of {} bytes is over the limit of {}",
                pattern.size(), kMaxPatternBytes);
  }
  const std::string translated = TRY(translate(pattern, where));
  auto code = std::make_unique<Code>();
  code->where = std::string(where);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                             &error, &offset, nullptr);
  if (code->code == nullptr) {
    return fail(ErrorCode::kInvalidArgument, where, "bad pattern: {}", message_of(error));
  }
  code->is_compiled_to_machine_code = pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE) == 0;
  return Regex(std::move(code));
}

Result<base::ByteRange> Regex::find(std::string_view text, std::size_t from,
                                    Scratch& scratch) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  while (from < text.size()) {
    Scratch::State& state = *scratch.state_;
    int count = PCRE2_ERROR_JIT_STACKLIMIT;
    if (code_->is_compiled_to_machine_code) {
      count =
          pcre2_jit_match(code_->code, subject, text.size(), from, 0, state.data, state.context);
    }
    if (count == PCRE2_ERROR_JIT_STACKLIMIT) {
      count = pcre2_match(code_->code, subject, text.size(), from,
                          PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, state.data, state.context);
    }
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) {
      return fail(ErrorCode::kInvalidArgument, code_->where, "a pattern failed on the text: {}",
                  message_of(count));
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(state.data);
    if (range[1] > range[0]) return base::ByteRange{range[0], range[1]};
    from =
        range[1] + (range[1] < text.size() ? first_code_point(text.substr(range[1])).num_bytes : 1);
  }
  return base::ByteRange{text.size(), text.size()};
}

}  // namespace fathom::tokenizer
