// Typed, range-checked access to the fields of a JSON object.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom::checkpoint {

template <typename T>
struct Range {
  T min;
  T max;
};

// Fields of one object; null counts as absent. Errors name the source and the field.
class ConfigFields {
 public:
  ConfigFields(const boost::json::object& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  // The value, or nullptr if the field is absent or null.
  const boost::json::value* find(std::string_view field) const;
  base::Result<std::int64_t> integer(std::string_view field, Range<std::int64_t> range) const;
  base::Result<std::int64_t> integer_or(std::string_view field, Range<std::int64_t> range,
                                        std::int64_t fallback) const;
  base::Result<double> number_or(std::string_view field, Range<double> range,
                                 double fallback) const;
  base::Result<bool> boolean_or(std::string_view field, bool fallback) const;
  base::Result<std::string> string_or(std::string_view field, std::string fallback) const;
  base::Error bad(std::string_view field, std::string_view problem) const;

  const boost::json::object& object() const { return object_; }
  const std::string& where() const { return where_; }

 private:
  const boost::json::object& object_;
  std::string where_;
};

}  // namespace fathom::checkpoint
