// JSON schemas, read into Expressions; docs/structured-output.md lists what is supported.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/expression.h"

namespace fathom::grammar {

// The root schema becomes rule 0. kInvalidArgument, with the JSON pointer of the schema that is
// wrong, for what is not JSON, not a schema, or uses a keyword that is not supported, by its name.
base::Result<void> parse_json_schema(std::string_view source, std::string_view where,
                                     Expressions& expressions);

}  // namespace fathom::grammar
