// Template source to syntax tree.
#pragma once

#include <string_view>

#include "base/result.h"
#include "tokenizer/template/ast.h"

namespace fathom::tokenizer {

// Nesting is capped; a tag, filter or test that is not implemented is refused by its name and
// line.
base::Result<Block> parse_template(std::string_view source, std::string_view where);

}  // namespace fathom::tokenizer
