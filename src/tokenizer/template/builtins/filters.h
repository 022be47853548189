// Filters: {{ value | name(arguments) }}, with Jinja's meaning and tojson with transformers'.
#pragma once

#include <string_view>

#include "tokenizer/template/builtins/arguments.h"

namespace fathom::tokenizer::jinja {

using Filter = Result<Value> (*)(const Value& input, const Arguments& arguments, Budget& budget);

// nullptr: no such filter, or one that is not supported.
Filter find_filter(std::string_view name);

// The families that find_filter looks through.
Filter find_text_filter(std::string_view name);
Filter find_number_filter(std::string_view name);
Filter find_sequence_filter(std::string_view name);

}  // namespace fathom::tokenizer::jinja
