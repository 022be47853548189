// StructuredOutput: the form that a request demands of an answer, and the grammar made of it.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"

namespace fathom::serve {

class FieldReader;

struct StructuredOutput {
  enum class Kind { kNone, kJsonObject, kJsonSchema, kRegex, kChoice, kEbnf };
  Kind kind = Kind::kNone;
  std::string text;  // the schema as JSON, the pattern, or the grammar
  std::vector<std::string> choices;
  std::string field;  // that asked for it
};

// response_format, structured_outputs, guided_json and its like: at most one of them.
base::Result<StructuredOutput> read_structured_output(FieldReader& fields);
// {"type": "text" | "json_object" | "json_schema", ...}; the schema's own fields lie in
// "json_schema", or beside "type" as /v1/responses has them.
base::Result<StructuredOutput> read_format(const boost::json::object& format,
                                           const std::string& path);

// Null for kNone. Costs what compiling the schema or pattern costs. Errors: kInvalidArgument,
// whose place is the field.
base::Result<std::shared_ptr<const grammar::Grammar>> compile(const StructuredOutput& structured);

}  // namespace fathom::serve
