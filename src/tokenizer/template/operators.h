// Arithmetic, comparison, subscripts and slices of template values.
#pragma once

#include <cstdint>
#include <optional>
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
// object[begin:end:step], as Python cuts.
base::Result<Value> slice(const Value& object, std::optional<std::int64_t> begin,
                          std::optional<std::int64_t> end, std::optional<std::int64_t> step);

}  // namespace fathom::tokenizer
