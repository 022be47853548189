// Operators on values, with Python's meaning.
#pragma once

#include <cstdint>
#include <optional>

#include "tokenizer/template/value/value.h"

namespace fathom::tokenizer::jinja {

enum class Operator {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

// Errors: operand types that Python refuses, division by zero, integers beyond 64 bits.
Result<Value> arithmetic(Operator op, const Value& left, const Value& right, Budget& budget);
Result<Value> negate(const Value& value);
Result<bool> compare(Operator op, const Value& left, const Value& right, Budget& budget);
Result<bool> equal(const Value& left, const Value& right, Budget& budget);
Result<bool> less(const Value& left, const Value& right, Budget& budget);
// needle in haystack.
Result<bool> contains(const Value& haystack, const Value& needle, Budget& budget);

// A bool or an integer as an integer; nothing for other kinds.
std::optional<std::int64_t> to_integer(const Value& value);
// A number as a double; only for numbers.
double to_double(const Value& value);

}  // namespace fathom::tokenizer::jinja
