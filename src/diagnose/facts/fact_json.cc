// Walks the lists of fields.
#include "diagnose/facts/fact_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>
#include <concepts>
#include <optional>
#include <unordered_set>

#include "base/json.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

namespace json = boost::json;
using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;

// As other readers of JSON, too; and sums of a few such numbers do not overflow.
constexpr std::int64_t kMaxNumber = std::int64_t{1} << 53;
constexpr std::size_t kMaxElements = 4096;
// Pairs are looked at.
constexpr std::size_t kMaxGpus = 64;

template <typename T>
concept Struct = requires(T& facts) { visit_fields(facts, [](const char*, auto&) {}); };

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <typename T>
json::value written(const T& value) {
  if constexpr (IsOptional<T>::value) {
    return value ? written(*value) : json::value(nullptr);
  } else if constexpr (IsVector<T>::value) {
    json::array array;
    for (const auto& each : value) array.push_back(written(each));
    return array;
  } else if constexpr (Struct<T>) {
    json::object object;
    visit_fields(
        value, [&](const char* name, const auto& field) { object.emplace(name, written(field)); });
    return object;
  } else if constexpr (std::same_as<T, std::string>) {
    // Names of processes and files need not be UTF-8, JSON must be.
    return json::value(printable(value));
  } else if constexpr (std::same_as<T, double>) {
    return std::isfinite(value) ? json::value(value) : json::value(nullptr);
  } else {
    return json::value(value);
  }
}

// Reads one value into a field, and keeps the first error with the field's place.
class Reader {
 public:
  explicit Reader(std::string_view where) : where_(where) {}

  const std::optional<Error>& error() const { return error_; }

  template <typename T>
  void read(const json::value& value, T& field) {
    if (error_) return;
    if constexpr (IsOptional<T>::value) {
      if (!value.is_null()) read(value, field.emplace());
    } else if constexpr (IsVector<T>::value) {
      read_array(value, field);
    } else if constexpr (Struct<T>) {
      read_object(value, field);
    } else {
      read_scalar(value, field);
    }
  }

 private:
  void refuse(std::string_view problem) {
    if (!error_) {
      error_ = fail(ErrorCode::kInvalidArgument, where_, "{} {}",
                    place_.empty() ? "the whole" : place_, problem);
    }
  }

  template <typename T>
  void read_array(const json::value& value, std::vector<T>& field) {
    if (!value.is_array()) return refuse("is not an array");
    if (value.get_array().size() > kMaxElements) {
      return refuse(fmt::format("has more than {} elements", kMaxElements));
    }
    const std::size_t place_size = place_.size();
    for (const json::value& each : value.get_array()) {
      place_ += fmt::format("[{}]", field.size());
      read(each, field.emplace_back());
      place_.resize(place_size);
    }
  }

  template <typename T>
  void read_object(const json::value& value, T& facts) {
    if (!value.is_object()) return refuse("is not an object");
    const json::object& object = value.get_object();
    const std::size_t place_size = place_.size();
    const char* const point = place_.empty() ? "" : ".";
    std::unordered_set<std::string_view> known;
    visit_fields(facts, [&](const char* name, auto& field) {
      known.insert(name);
      const json::value* const given = object.if_contains(name);
      if (given == nullptr) return;
      place_ += point;
      place_ += name;
      read(*given, field);
      place_.resize(place_size);
    });
    for (const auto& [name, ignored] : object) {
      if (known.contains(std::string_view(name.data(), name.size()))) continue;
      return refuse(fmt::format("has a field that nobody knows: '{}'",
                                std::string_view(name.data(), name.size())));
    }
  }

  void read_scalar(const json::value& value, std::string& field) {
    if (!value.is_string()) return refuse("is not a text");
    field = std::string_view(value.get_string());
  }
  void read_scalar(const json::value& value, bool& field) {
    if (!value.is_bool()) return refuse("is not true or false");
    field = value.get_bool();
  }
  void read_scalar(const json::value& value, double& field) {
    json::error_code code;
    field = value.to_number<double>(code);
    if (code) refuse("is not a number");
  }
  void read_scalar(const json::value& value, std::int64_t& field) {
    json::error_code code;
    field = value.to_number<std::int64_t>(code);
    if (code || field > kMaxNumber || field < -kMaxNumber) {
      refuse("is not a whole number of at most 53 bits");
    }
  }

  std::string_view where_;
  std::string place_;
  std::optional<Error> error_;
};

void add_lines(const json::value& value, const std::string& place, std::vector<FactLine>& lines) {
  if (const json::object* const object = value.if_object()) {
    for (const auto& [name, field] : *object) {
      add_lines(field, (place.empty() ? "" : place + ".") + std::string(name.data(), name.size()),
                lines);
    }
  } else if (const json::array* const array = value.if_array()) {
    if (array->empty()) lines.push_back({place, "none"});
    for (std::size_t i = 0; i < array->size(); ++i) {
      add_lines((*array)[i], fmt::format("{}[{}]", place, i), lines);
    }
  } else if (value.is_null()) {
    lines.push_back({place, "not supported"});
  } else if (const json::string* const text = value.if_string()) {
    lines.push_back({place, std::string(std::string_view(*text))});
  } else if (const double* const number = value.if_double()) {
    lines.push_back({place, fmt::format("{:.6g}", *number)});
  } else {
    lines.push_back({place, json::serialize(value)});
  }
}

}  // namespace

json::object json_of(const Facts& facts) { return written(facts).get_object(); }

Result<Facts> facts_from_json(std::string_view text, std::string_view where) {
  const json::value value = TRY(base::parse_json(text, where));
  Facts facts;
  Reader reader(where);
  reader.read(value, facts);
  if (reader.error()) return *reader.error();
  if (facts.gpus.size() > kMaxGpus) {
    return fail(ErrorCode::kInvalidArgument, where,
                "{} GPUs are more than the {} that are looked at", facts.gpus.size(), kMaxGpus);
  }
  return facts;
}

std::vector<FactLine> fact_lines(const Facts& facts) {
  std::vector<FactLine> lines;
  add_lines(json_of(facts), "", lines);
  return lines;
}

}  // namespace fathom::diagnose
