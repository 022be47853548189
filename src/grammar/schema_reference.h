// What a schema's $ref names.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/schema_node.h"

namespace fathom::grammar {

// The schema at '#/$defs/NAME' or '#/definitions/NAME' of the root. kInvalidArgument, at `node`,
// for another reference and for a name that is not there.
base::Result<SchemaNode> find_referenced(const SchemaNode& node, std::string_view reference,
                                         const SchemaNode& root);

}  // namespace fathom::grammar
