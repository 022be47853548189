// Arithmetic, comparison, subscripts and slices of template values.
#pragma once

#include <string_view>

#include "base/result.h"
#include "tokenizer/template/functions.h"
#include "tokenizer/template/value.h"

namespace fathom::tokenizer {

// One of + - * / // % ~ == != < <= > >= in "not in".
base::Result<Value> binary(std::string_view name, const Value& left, const Value& right,
                           const FunctionLimits& limits);
base::Result<Value> negate(const Value& value, bool is_negated);
// object[key]: an entry, an item, a character; undefined if there is none.
base::Result<Value> subscript(const Value& object, const Value& key);
// object[begin:end:step], as Python cuts; none stands for an absent part.
base::Result<Value> slice(const Value& object, const Value& begin, const Value& end,
                          const Value& step);

}  // namespace fathom::tokenizer
