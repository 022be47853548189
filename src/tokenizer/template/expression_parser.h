// Expressions of templates.
#pragma once

#include <memory>

#include "base/result.h"
#include "tokenizer/template/ast.h"
#include "tokenizer/template/token_cursor.h"

namespace fathom::tokenizer {

// Each reads the expression at the cursor and leaves the cursor behind it.
base::Result<std::unique_ptr<Expression>> parse_expression(TokenCursor& cursor);
// "a, b" is a tuple.
base::Result<std::unique_ptr<Expression>> parse_tuple(TokenCursor& cursor);
// Up to an "if", which belongs to the loop around it.
base::Result<std::unique_ptr<Expression>> parse_unconditional(TokenCursor& cursor);

}  // namespace fathom::tokenizer
