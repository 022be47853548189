// SchemaNode: one schema of a document, with the JSON pointer that names it in errors.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom::grammar {

class SchemaNode {
 public:
  // The value must outlive the node.
  SchemaNode(const boost::json::value& value, std::string where, std::string pointer)
      : value_(&value), where_(std::move(where)), pointer_(std::move(pointer)) {}

  const boost::json::value& value() const { return *value_; }
  const std::string& pointer() const { return pointer_; }

  // "where at #/pointer: message".
  base::Error error(std::string_view message) const;

  // Below here the schema must be an object.
  bool has(std::string_view keyword) const;
  // Fails for the first keyword that no schema may have here.
  base::Result<void> check_keywords() const;
  // Fails for a keyword beside `keyword` that is neither an annotation nor among `allowed`.
  base::Result<void> check_alone(std::string_view keyword,
                                 std::span<const std::string_view> allowed = {}) const;

  // The value of a keyword that is there.
  SchemaNode child(std::string_view keyword) const;
  // A member or element of this value.
  SchemaNode child(std::string_view name, const boost::json::value& value) const;

  // The keyword's value; `fallback` when it is absent. kInvalidArgument when it is not a whole
  // number that is 0 or more, or above the greatest count that a grammar can hold.
  base::Result<std::uint32_t> count(std::string_view keyword, std::uint32_t fallback) const;
  // The keyword's value, an object, array or string, else kInvalidArgument.
  base::Result<const boost::json::object*> object(std::string_view keyword) const;
  base::Result<const boost::json::array*> array(std::string_view keyword) const;
  base::Result<std::string_view> string(std::string_view keyword) const;

 private:
  const boost::json::value* value_;
  std::string where_;
  std::string pointer_;
};

}  // namespace fathom::grammar
