// The numbers of a range, as their decimal digits.
#pragma once

#include <cstdint>
#include <limits>

#include "grammar/expression.h"

namespace fathom::grammar {

// Inclusive.
struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

struct NumberRange {
  IntegerRange bounds;
  bool excludes_min = false;
  bool excludes_max = false;
};
// Exactly the integers of the range, without a fraction; nothing when it is empty.
ExpressionId integer_in(const NumberRange& range, Expressions& expressions);
// The numbers of the range, with at most 17 digits behind the point and without an exponent.
ExpressionId number_in(const NumberRange& range, Expressions& expressions);

}  // namespace fathom::grammar
