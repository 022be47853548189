// JsonReader: access to the fields of tokenizer.json, with errors that name them. Internal to the
// tokenizer: for .cc files that include <boost/json.hpp>.
#pragma once

#include <boost/json/fwd.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace fathom::tokenizer {

class JsonReader {
 public:
  explicit JsonReader(std::string where) : where_(std::move(where)) {}

 protected:
  const std::string& where() const { return where_; }
  // nullptr if absent or null.
  static const boost::json::value* find(const boost::json::object& object, std::string_view field);
  static std::string_view view(const boost::json::string& text);

  base::Error bad(std::string_view field, std::string_view problem) const;
  base::Error unimplemented(std::string_view field, std::string_view type) const;
  // Fields that would change the output: absent, null, false and empty text are the same.
  base::Result<void> refuse(const boost::json::object& object,
                            std::initializer_list<const char*> fields) const;
  base::Result<std::string_view> type_of(const boost::json::value& value,
                                         std::string_view field) const;
  // Absent is false.
  base::Result<bool> flag(const boost::json::object& object, std::string_view field) const;

 private:
  std::string where_;
};

}  // namespace fathom::tokenizer
