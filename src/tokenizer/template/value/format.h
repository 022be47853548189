// Values as text: Python's str() and repr(), and the JSON of transformers' tojson.
#pragma once

#include <optional>
#include <string>

#include "tokenizer/template/value/value.h"

namespace fathom::tokenizer::jinja {

// str(): what {{ value }} prints. Undefined prints nothing. Refused: values without a text of
// their own (namespaces, macros, iterators, views, methods).
Result<Text> to_text(const Value& value, Budget& budget);

struct JsonStyle {
  std::optional<std::string> indent;  // nothing: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool escapes_non_ascii = false;
  bool sorts_keys = false;
};

// Non-ASCII and HTML characters stand as they are; keys in their order.
Result<Text> to_json(const Value& value, const JsonStyle& style, Budget& budget);

// Python's repr() of a float: the shortest digits that read back equal.
std::string float_text(double value);

}  // namespace fathom::tokenizer::jinja
