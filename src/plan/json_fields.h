// Reading fields of a JSON object, with errors that name the field by its path.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom::plan {

// One object of a file. `path` is for errors: "catalogue.json: gpus[3]".
class JsonFields {
 public:
  JsonFields(const boost::json::object& object, std::string path)
      : object_(object), path_(std::move(path)) {}

  bool has(std::string_view key) const;
  base::Result<double> positive(std::string_view key) const;  // above 0, below 10^9
  base::Result<std::string> text(std::string_view key) const;
  base::Result<bool> flag(std::string_view key) const;
  base::Result<std::vector<double>> numbers(std::string_view key) const;
  base::Result<std::vector<std::string>> texts(std::string_view key) const;
  base::Result<JsonFields> object(std::string_view key) const;
  base::Result<std::vector<JsonFields>> objects(std::string_view key) const;
  // Refuses a field that is none of these: it would be ignored.
  base::Result<void> only(std::initializer_list<std::string_view> keys) const;
  const std::string& path() const { return path_; }

 private:
  base::Result<const boost::json::value*> find(std::string_view key) const;
  base::Error bad(std::string_view key, std::string_view wanted) const;

  const boost::json::object& object_;
  std::string path_;
};

}  // namespace fathom::plan
