// parse_template: a template's source as a syntax tree.
#pragma once

#include <string_view>

#include "tokenizer/template/limits.h"
#include "tokenizer/template/syntax/ast.h"

namespace fathom::tokenizer::jinja {

// `source` is valid UTF-8. Anything that the interpreter does not implement is refused by name.
// Errors carry "where:line".
Result<Block> parse_template(std::string_view source, std::string_view where,
                             const TemplateLimits& limits);

}  // namespace fathom::tokenizer::jinja
