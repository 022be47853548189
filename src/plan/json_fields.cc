// Looks fields up and checks their kinds.
#include "plan/json_fields.h"

#include <algorithm>
#include <boost/json.hpp>

namespace fathom::plan {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

// No rate, size or price is as great; sums and products of such stay far from overflowing.
bool is_sensible(double number) { return number > 0 && number < 1e9; }

}  // namespace

bool JsonFields::has(std::string_view key) const { return object_.contains(key); }

base::Error JsonFields::bad(std::string_view key, std::string_view wanted) const {
  return fail(ErrorCode::kInvalidArgument, path_, "field '{}' is not {}", key, wanted);
}

Result<const json::value*> JsonFields::find(std::string_view key) const {
  const json::value* const found = object_.if_contains(key);
  if (found == nullptr) {
    return fail(ErrorCode::kInvalidArgument, path_, "field '{}' is missing", key);
  }
  return found;
}

Result<double> JsonFields::positive(std::string_view key) const {
  const json::value* const value = TRY(find(key));
  if (!value->is_number()) return bad(key, "a number");
  const auto number = value->to_number<double>();
  if (!is_sensible(number)) return bad(key, "a number above 0 and below 10^9");
  return number;
}

Result<std::string> JsonFields::text(std::string_view key) const {
  const json::value* const value = TRY(find(key));
  if (!value->is_string() || value->get_string().empty()) return bad(key, "a text");
  return std::string(value->get_string());
}

Result<bool> JsonFields::flag(std::string_view key) const {
  const json::value* const value = TRY(find(key));
  if (!value->is_bool()) return bad(key, "true or false");
  return value->get_bool();
}

Result<std::vector<double>> JsonFields::numbers(std::string_view key) const {
  const json::value* const value = TRY(find(key));
  if (!value->is_array()) return bad(key, "a list of numbers");
  std::vector<double> numbers;
  for (const json::value& each : value->get_array()) {
    if (!each.is_number() || !is_sensible(each.to_number<double>())) {
      return bad(key, "a list of numbers above 0 and below 10^9");
    }
    numbers.push_back(each.to_number<double>());
  }
  return numbers;
}

Result<std::vector<std::string>> JsonFields::texts(std::string_view key) const {
  const json::value* const value = TRY(find(key));
  if (!value->is_array()) return bad(key, "a list of texts");
  std::vector<std::string> texts;
  for (const json::value& each : value->get_array()) {
    if (!each.is_string()) return bad(key, "a list of texts");
    texts.emplace_back(each.get_string());
  }
  return texts;
}

Result<JsonFields> JsonFields::object(std::string_view key) const {
  const json::value* const value = TRY(find(key));
  if (!value->is_object()) return bad(key, "an object");
  return JsonFields(value->get_object(), path_ + "." + std::string(key));
}

Result<std::vector<JsonFields>> JsonFields::objects(std::string_view key) const {
  const json::value* const value = TRY(find(key));
  if (!value->is_array()) return bad(key, "a list of objects");
  std::vector<JsonFields> objects;
  for (const json::value& each : value->get_array()) {
    if (!each.is_object()) return bad(key, "a list of objects");
    objects.emplace_back(each.get_object(), path_ + "." + std::string(key) + "[" +
                                                std::to_string(objects.size()) + "]");
  }
  return objects;
}

Result<void> JsonFields::only(std::initializer_list<std::string_view> keys) const {
  for (const json::key_value_pair& each : object_) {
    const std::string_view key(each.key());
    if (std::ranges::find(keys, key) == keys.end()) {
      return fail(ErrorCode::kInvalidArgument, path_, "field '{}' is not known", key);
    }
  }
  return {};
}

}  // namespace fathom::plan
