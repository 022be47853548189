// Predicates: {{ value is name }} (Jinja calls them tests).
#pragma once

#include <string_view>

#include "tokenizer/template/builtins/arguments.h"

namespace fathom::tokenizer::jinja {

using Predicate = Result<bool> (*)(const Value& input, const Arguments& arguments, Budget& budget);

// nullptr: no such test, or one that is not supported.
Predicate find_predicate(std::string_view name);

}  // namespace fathom::tokenizer::jinja
