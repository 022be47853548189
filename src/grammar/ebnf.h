// EBNF in the style of GBNF, read into Expressions.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/expression.h"

namespace fathom::grammar {

// Rules `name ::= alternatives`, where an alternative is a sequence of "literals", [classes], `.`,
// names and (groups), each with *, +, ? or {m,n} behind it. `#` begins a comment. Line breaks are
// white space: a rule ends where the next one begins. Rule `root` becomes rule 0.
// kInvalidArgument with the byte position for a syntax error, a name that has no rule or two, and
// a missing root.
base::Result<void> parse_ebnf(std::string_view source, std::string_view where,
                              Expressions& expressions);

}  // namespace fathom::grammar
