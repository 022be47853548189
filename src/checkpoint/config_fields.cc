// JSON values as numbers and text, or an error that names the field.
#include "checkpoint/config_fields.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

namespace fathom::checkpoint {

using base::ErrorCode;
using base::fail;
using base::Result;

const boost::json::value* ConfigFields::find(std::string_view field) const {
  const boost::json::value* value = object_.if_contains(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

base::Error ConfigFields::bad(std::string_view field, std::string_view problem) const {
  return fail(ErrorCode::kInvalidArgument, where_, "{}: {}", field, problem);
}

Result<std::int64_t> ConfigFields::integer(std::string_view field,
                                           Range<std::int64_t> range) const {
  const boost::json::value* value = find(field);
  if (value == nullptr) return bad(field, "missing");
  if (!value->is_int64()) return bad(field, "not a whole number");
  const std::int64_t number = value->get_int64();
  if (number < range.min || number > range.max) {
    return bad(field, fmt::format("{} is not between {} and {}", number, range.min, range.max));
  }
  return number;
}

Result<std::int64_t> ConfigFields::integer_or(std::string_view field, Range<std::int64_t> range,
                                              std::int64_t fallback) const {
  return find(field) == nullptr ? fallback : integer(field, range);
}

Result<double> ConfigFields::number_or(std::string_view field, Range<double> range,
                                       double fallback) const {
  const boost::json::value* value = find(field);
  if (value == nullptr) return fallback;
  if (!value->is_number()) return bad(field, "not a number");
  const auto number = value->to_number<double>();
  if (!(number >= range.min && number <= range.max)) {
    return bad(field, fmt::format("{} is not between {} and {}", number, range.min, range.max));
  }
  return number;
}

Result<bool> ConfigFields::boolean_or(std::string_view field, bool fallback) const {
  const boost::json::value* value = find(field);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return bad(field, "neither true nor false");
  return value->get_bool();
}

Result<std::string> ConfigFields::string_or(std::string_view field, std::string fallback) const {
  const boost::json::value* value = find(field);
  if (value == nullptr) return fallback;
  if (!value->is_string()) return bad(field, "not a string");
  return std::string(value->get_string());
}

}  // namespace fathom::checkpoint
