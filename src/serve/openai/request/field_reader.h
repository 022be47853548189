// FieldReader: the fields of one JSON object as checked values, and a refusal of all the others.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"

namespace fathom::serve {

// Parses a request's body: one JSON object within the limits on bytes and depth.
base::Result<boost::json::value> parse_body(std::string_view body);

// kInvalidArgument whose place is the field.
base::Error bad_field(std::string_view field, std::string_view problem);

struct StringListLimits {
  std::size_t max_count = 16;
  std::size_t max_bytes = 256;  // of each
};

// Refers to the object, which must outlive it. An absent field and null are the same. Errors:
// kInvalidArgument, whose place is the field's path.
class FieldReader {
 public:
  // `path` comes before each field's name in errors: "messages[3]", or nothing.
  explicit FieldReader(const boost::json::object& object, std::string path = "");

  // nullptr if absent or null. Marks the field as read.
  const boost::json::value* find(std::string_view field);
  // The object of that name; nullptr if absent.
  base::Result<const boost::json::object*> object(std::string_view field);

  base::Result<std::optional<std::int64_t>> integer(std::string_view field, std::int64_t min,
                                                    std::int64_t max);
  struct Range {
    double min = 0;
    double max = 0;
  };
  base::Result<float> number(std::string_view field, Range range, float fallback);
  base::Result<bool> boolean(std::string_view field, bool fallback = false);
  base::Result<std::string> text(std::string_view field);
  // A list of strings that are not empty, or one in place of a list.
  base::Result<std::vector<std::string>> texts(std::string_view field,
                                               const StringListLimits& limits);
  base::Result<std::vector<base::TokenId>> tokens(std::string_view field, std::size_t max_count);

  // Refuses what nobody has read, unless it is null, one of `harmless`, or asks for nothing:
  // false, an empty string, list or object.
  base::Result<void> refuse_rest(std::span<const std::string_view> harmless = {}) const;

  base::Error bad(std::string_view field, std::string_view problem) const;
  std::string path_of(std::string_view field) const;

 private:
  const boost::json::object& object_;
  std::string path_;
  std::set<std::string, std::less<>> read_;
};

// A token id of a JSON list; kInvalidArgument with `where` otherwise.
base::Result<base::TokenId> read_token(const boost::json::value& value, std::string_view where);

}  // namespace fathom::serve
