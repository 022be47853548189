// The schemas of strings and numbers.
#pragma once

#include "base/result.h"
#include "grammar/expression.h"
#include "grammar/json_rules.h"
#include "grammar/schema_node.h"

namespace fathom::grammar {

// minLength, maxLength, or pattern, or format.
base::Result<ExpressionId> compile_string_schema(const SchemaNode& node, JsonRules& rules,
                                                 Expressions& expressions);

// minimum, maximum, exclusiveMinimum, exclusiveMaximum; whole bounds only, unless the number is an
// integer itself.
base::Result<ExpressionId> compile_number_schema(const SchemaNode& node, bool is_integer,
                                                 JsonRules& rules, Expressions& expressions);

}  // namespace fathom::grammar
