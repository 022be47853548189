// Access to the parts of values. Reaches data and named methods only: no reflection.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tokenizer/template/value/value.h"

namespace fathom::tokenizer::jinja {

// object.name: a method first, then a dict's key, as Jinja does. What does not exist gives
// undefined; a part of undefined is an error.
Result<Value> attribute(const Value& object, std::string_view name, Budget& budget);
// object[key]: an index or key first, then an attribute.
Result<Value> subscript(const Value& object, const Value& key, Budget& budget);

struct SliceBounds {
  std::optional<std::int64_t> begin;
  std::optional<std::int64_t> end;
  std::optional<std::int64_t> step;
};
Result<Value> slice(const Value& object, const SliceBounds& bounds, Budget& budget);

// Follows "a.b.0" as map(attribute=...) and selectattr do. *fallback stands for each part that
// is undefined.
Result<Value> follow_path(const Value& object, std::string_view path, const Value* fallback,
                          Budget& budget);

// len(); an error for values without one.
Result<std::size_t> length(const Value& value, Budget& budget);

}  // namespace fathom::tokenizer::jinja
