// A recursive-descent reader of regular expressions.
#include "grammar/regex.h"

#include <string>
#include <utility>
#include <vector>

#include "grammar/source_reader.h"

namespace fathom::grammar {
namespace {

using base::Error;
using base::Result;

class RegexReader {
 public:
  RegexReader(std::string_view source, std::string_view where, const RegexOptions& options,
              Expressions& expressions)
      : reader_(source, where), options_(options), expressions_(expressions) {}

  Result<ExpressionId> read() {
    const auto body = TRY(read_alternatives(0));
    if (!reader_.at_end()) return error("')' without '('");
    return body;
  }

 private:
  Error error(std::string_view message) const {
    return reader_.error_at(reader_.position(), message);
  }

  Result<ExpressionId> read_alternatives(std::uint32_t depth) {
    if (depth > kMaxGroupDepth) return error("groups are nested too deeply");
    std::vector<ExpressionId> options;
    do {
      options.push_back(TRY(read_alternative(depth)));
    } while (reader_.take("|"));
    return expressions_.choice(std::move(options));
  }

  Result<ExpressionId> read_alternative(std::uint32_t depth) {
    std::vector<ExpressionId> parts;
    const bool is_search = depth == 0 && options_.anchoring == RegexAnchoring::kSearch;
    bool is_bound_at_end = false;
    const bool is_bound_at_begin = depth == 0 && reader_.take("^");
    if (is_search && !is_bound_at_begin) parts.push_back(anything());
    while (!reader_.at_end() && reader_.peek() != '|' && reader_.peek() != ')') {
      if (depth == 0 && reader_.peek() == '$' &&
          (reader_.peek(1) == '|' || reader_.peek(1) == '\0')) {
        reader_.take("$");
        is_bound_at_end = true;
        break;
      }
      const auto atom = TRY(read_atom(depth));
      parts.push_back(TRY(read_quantifiers(atom)));
    }
    if (is_search && !is_bound_at_end) parts.push_back(anything());
    return expressions_.sequence(std::move(parts));
  }

  ExpressionId anything() {
    return expressions_.repeat(one_of(expressions_, CodePointSet::all(), options_.spelling), 0,
                               kUnbounded);
  }

  ExpressionId character_of(const CodePointSet& set) {
    return one_of(expressions_, set, options_.spelling);
  }

  Result<ExpressionId> read_atom(std::uint32_t depth) {
    if (reader_.take("(")) return read_group(depth);
    if (reader_.take("[")) return character_of(TRY(reader_.read_class()));
    if (reader_.take("\\")) return character_of(TRY(reader_.read_escape()).set);
    switch (reader_.peek()) {
      case '*':
      case '+':
      case '?':
        return error("nothing to repeat");
      case '^':
        return error("'^' is supported only at the beginning");
      case '$':
        return error("'$' is supported only at the end");
      case '{':
        return error("'{' without something to repeat; write '\\{' for the character");
      default:
        break;
    }
    if (reader_.take(".")) return character_of(CodePointSet{{'\n', '\n'}}.complement());
    const char32_t c = reader_.next();
    return character_of({{c, c}});
  }

  Result<ExpressionId> read_group(std::uint32_t depth) {
    const auto begin = reader_.position() - 1;
    if (reader_.take("?")) {
      if (reader_.starts_with("=") || reader_.starts_with("!") || reader_.starts_with("<=") ||
          reader_.starts_with("<!")) {
        return reader_.error_at(begin, "look-around, (?= (?! (?<= and (?<!, is not supported");
      }
      if (reader_.take("P<") || reader_.take("<")) {
        TRY(read_group_name(begin));
      } else if (!reader_.take(":")) {
        return reader_.error_at(begin, "this kind of group, or inline flags, is not supported");
      }
    }
    const auto body = TRY(read_alternatives(depth + 1));
    if (!reader_.take(")")) return reader_.error_at(begin, "the group '(' is not closed");
    return body;
  }

  // The name says nothing: nothing refers back to it.
  Result<void> read_group_name(std::size_t begin) {
    while (!reader_.take(">")) {
      if (reader_.at_end() || reader_.peek() == ')')
        return reader_.error_at(begin, "the group's name does not end with '>'");
      reader_.next();
    }
    return {};
  }

  Result<ExpressionId> read_quantifiers(ExpressionId atom) {
    RepeatCounts counts{.min = 0, .max = kUnbounded};
    if (reader_.take("+")) {
      counts.min = 1;
    } else if (reader_.take("?")) {
      counts.max = 1;
    } else if (reader_.peek() == '{') {
      reader_.take("{");
      const auto read = TRY(reader_.read_counts());
      if (!read) return error("expected a repeat count; write '\\{' for the character");
      counts = *read;
    } else if (!reader_.take("*")) {
      return atom;
    }
    reader_.take("?");
    if (reader_.peek() == '+') return error("possessive quantifiers are not supported");
    if (reader_.peek() == '*' || reader_.peek() == '?' || reader_.peek() == '{')
      return error("a quantifier behind a quantifier; put the first into a group");
    return expressions_.repeat(atom, counts.min, counts.max);
  }

  SourceReader reader_;
  const RegexOptions& options_;
  Expressions& expressions_;
};

}  // namespace

Result<ExpressionId> parse_regex(std::string_view source, std::string_view where,
                                 const RegexOptions& options, Expressions& expressions) {
  if (!is_valid_utf8(source))
    return base::fail(base::ErrorCode::kInvalidArgument, where, "not valid UTF-8");
  return RegexReader(source, where, options, expressions).read();
}

}  // namespace fathom::grammar
