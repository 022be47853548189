// Regular expressions, read into Expressions.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/expression.h"
#include "grammar/spelling.h"

namespace fathom::grammar {

enum class RegexAnchoring : std::uint8_t {
  kWhole,   // the whole text matches; ^ and $ at the ends say nothing more
  kSearch,  // something in the text matches, unless ^ or $ bind it to an end
};

struct RegexOptions {
  RegexAnchoring anchoring = RegexAnchoring::kWhole;
  Spelling spelling = Spelling::kPlain;
};

// kInvalidArgument with the byte position for a syntax error and for what is not supported:
// back-references, look-around, word boundaries, Unicode properties, inline flags, possessive
// quantifiers, anchors elsewhere than at the ends of the outermost alternatives. Greedy and lazy
// quantifiers mean the same here. `.` is any character but a line feed.
base::Result<ExpressionId> parse_regex(std::string_view source, std::string_view where,
                                       const RegexOptions& options, Expressions& expressions);

}  // namespace fathom::grammar
