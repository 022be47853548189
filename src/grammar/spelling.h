// How characters are written in the answer: as they are, or inside a JSON string.
#pragma once

#include <string>
#include <string_view>

#include "grammar/expression.h"

namespace fathom::grammar {

enum class Spelling : std::uint8_t {
  kPlain,
  // Within the quotes of a JSON string, each character in one way: as it is wherever JSON allows
  // that, else by its short escape (\n), else as \u00xx in lower case.
  kJsonString,
};

// One character of the set.
ExpressionId one_of(Expressions& expressions, const CodePointSet& set, Spelling spelling);

// The text, which must be valid UTF-8, as bytes of the answer.
std::string spell(std::string_view text, Spelling spelling);

}  // namespace fathom::grammar
