// The canonical escapes of JSON strings.
#include "grammar/spelling.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace fathom::grammar {
namespace {

constexpr char32_t kFirstUnescaped = 0x20;

bool needs_escape(char32_t c) { return c < kFirstUnescaped || c == '"' || c == '\\'; }

std::string escape(char32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return fmt::format("\\u{:04x}", static_cast<unsigned>(c));
  }
}

}  // namespace

ExpressionId one_of(Expressions& expressions, const CodePointSet& set, Spelling spelling) {
  if (spelling == Spelling::kPlain) return expressions.code_points(set);
  static const CodePointSet escaped_set = {{0, kFirstUnescaped - 1}, {'"', '"'}, {'\\', '\\'}};
  std::vector<ExpressionId> options;
  const CodePointSet direct = set.minus(escaped_set);
  if (!direct.empty()) options.push_back(expressions.code_points(direct));
  for (const auto& range : escaped_set.ranges()) {
    for (char32_t c = range.first; c <= range.last; ++c) {
      if (set.contains(c)) options.push_back(expressions.literal(escape(c)));
    }
  }
  return options.empty() ? expressions.nothing() : expressions.choice(std::move(options));
}

std::string spell(std::string_view text, Spelling spelling) {
  if (spelling == Spelling::kPlain) return std::string(text);
  std::string result;
  for (const char byte : text) {
    const auto c = static_cast<unsigned char>(byte);
    if (needs_escape(c)) {
      result += escape(c);
    } else {
      result.push_back(byte);
    }
  }
  return result;
}

}  // namespace fathom::grammar
