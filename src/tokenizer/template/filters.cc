// Filters and tests.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "tokenizer/template/functions.h"
#include "tokenizer/template/text_functions.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

using base::Error;
using base::Result;

Error template_error(std::string message) {
  return base::fail(base::ErrorCode::kInvalidArgument, "", "{}", message);
}

const Value* Arguments::find(std::size_t i, std::string_view name) const {
  if (i < positional.size()) return &positional[i];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

namespace {

constexpr std::array<std::string_view, 30> kFilters = {
    "trim",   "length", "count",   "upper",   "lower",      "title",      "capitalize", "first",
    "last",   "join",   "replace", "tojson",  "default",    "d",          "list",       "items",
    "string", "int",    "float",   "reverse", "selectattr", "rejectattr", "map",        "select",
    "reject", "safe",   "abs",     "unique",  "sum",        "dictsort"};
constexpr std::array<std::string_view, 20> kTests = {
    "defined", "undefined", "none", "string",  "mapping", "iterable",   "sequence",
    "number",  "boolean",   "true", "false",   "integer", "float",      "odd",
    "even",    "eq",        "ne",   "equalto", "in",      "divisibleby"};

// In characters.
std::int64_t length_of_text(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Value attribute_of(const Value& value, std::string_view name) {
  if (const Dict* dict = value.dict()) {
    if (const Value* found = find_entry(*dict, name)) return *found;
  }
  return {Undefined{std::string(name)}};
}

Result<Value> join_filter(const Value& value, const Arguments& arguments,
                          const FunctionLimits& limits) {
  const Value* separator = arguments.find(0, "d");
  const Value* attribute = arguments.find(1, "attribute");
  Text joined;
  bool is_first = true;
  for (Value& item : TRY(items_of(value))) {
    if (!is_first && separator != nullptr) print(*separator, false, joined);
    is_first = false;
    if (attribute != nullptr && attribute->text() != nullptr) {
      item = attribute_of(item, attribute->text()->bytes);
    }
    print(item, false, joined);
    if (joined.bytes.size() > limits.max_bytes) return template_error("a string is too long");
  }
  return Value{std::move(joined)};
}

Result<Value> edge_filter(const Value& value, bool is_first) {
  const List items = TRY(items_of(value));
  if (items.empty()) return Value{Undefined{"item"}};
  return is_first ? items.front() : items.back();
}

Result<Value> integer_filter(const Value& value, const Arguments& arguments) {
  double real = 0;
  if (to_double(value, real) && std::abs(real) < 9e18)
    return Value{static_cast<std::int64_t>(real)};
  if (const Text* text = value.text()) {
    const Text digits = strip(*text, "", true, true);
    std::int64_t number = 0;
    const char* const end = digits.bytes.data() + digits.bytes.size();
    const auto result = std::from_chars(digits.bytes.data(), end, number);
    if (result.ec == std::errc{} && result.ptr == end) return Value{number};
  }
  const Value* fallback = arguments.find(0, "default");
  return fallback != nullptr ? *fallback : Value{std::int64_t{0}};
}

Result<Value> json_filter(const Value& value, const Arguments& arguments,
                          const FunctionLimits& limits) {
  std::int64_t indent = -1;
  if (const Value* asked = arguments.find(0, "indent"); asked != nullptr) {
    if (!to_integer(*asked, indent) || indent < 0 || indent > 16) indent = -1;
  }
  Text out;
  print_json(value, static_cast<int>(indent), 0, out);
  if (out.bytes.size() > limits.max_bytes) return template_error("a string is too long");
  return Value{std::move(out)};
}

// selectattr, rejectattr, select, reject: items for which a test holds, or does not.
Result<Value> select_filter(std::string_view name, const Value& value, const Arguments& arguments) {
  const bool by_attribute = name.ends_with("attr");
  const bool keep = name.starts_with("select");
  std::size_t next = 0;
  std::string attribute;
  if (by_attribute) {
    const Value* first = arguments.find(next++, "attribute");
    if (first == nullptr || first->text() == nullptr) return template_error("no attribute named");
    attribute = first->text()->bytes;
  }
  const Value* test = arguments.find(next++, "test");
  if (test != nullptr && (test->text() == nullptr || !is_known_test(test->text()->bytes))) {
    return template_error("the test is not implemented");
  }
  Arguments rest;
  for (; next < arguments.positional.size(); ++next) {
    rest.positional.push_back(arguments.positional[next]);
  }
  List kept;
  for (const Value& item : TRY(items_of(value))) {
    const Value subject = by_attribute ? attribute_of(item, attribute) : item;
    const bool holds =
        test == nullptr ? is_true(subject) : TRY(apply_test(test->text()->bytes, subject, rest));
    if (holds == keep) kept.push_back(item);
  }
  return make_list(std::move(kept));
}

Result<Value> map_filter(const Value& value, const Arguments& arguments,
                         const FunctionLimits& limits) {
  const Value* attribute = arguments.positional.empty() ? arguments.find(0, "attribute") : nullptr;
  const Value* filter = arguments.positional.empty() ? nullptr : &arguments.positional[0];
  List mapped;
  for (const Value& item : TRY(items_of(value))) {
    if (attribute != nullptr && attribute->text() != nullptr) {
      mapped.push_back(attribute_of(item, attribute->text()->bytes));
    } else if (filter != nullptr && filter->text() != nullptr &&
               is_known_filter(filter->text()->bytes)) {
      Arguments rest;
      rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
      mapped.push_back(TRY(apply_filter(filter->text()->bytes, item, rest, limits)));
    } else {
      return template_error("map needs an attribute or a filter");
    }
  }
  return make_list(std::move(mapped));
}

Result<Value> list_filter(std::string_view name, const Value& value) {
  List items = TRY(items_of(value));
  if (name == "reverse") {
    std::ranges::reverse(items);
    if (value.text() != nullptr) {
      Text reversed;
      for (const Value& item : items) reversed.append(*item.text());
      return Value{std::move(reversed)};
    }
  }
  if (name == "unique") {
    List kept;
    for (const Value& item : items) {
      if (std::ranges::none_of(kept, [&](const Value& each) { return is_equal(each, item); })) {
        kept.push_back(item);
      }
    }
    return make_list(std::move(kept));
  }
  if (name == "sum") {
    std::int64_t total = 0;
    for (const Value& item : items) {
      std::int64_t number = 0;
      if (!to_integer(item, number) || __builtin_add_overflow(total, number, &total)) {
        return template_error("sum of something not a whole number");
      }
    }
    return Value{total};
  }
  return make_list(std::move(items));
}

Result<Value> text_filter(std::string_view name, const Value& value, const Arguments& arguments,
                          const FunctionLimits& limits) {
  Text text;
  print(value, false, text);
  if (name == "trim") {
    const Value* characters = arguments.find(0, "chars");
    const bool has_characters = characters != nullptr && characters->text() != nullptr;
    return Value{strip(text, has_characters ? characters->text()->bytes : "", true, true)};
  }
  if (name == "upper") return Value{to_upper(text)};
  if (name == "lower") return Value{to_lower(text)};
  if (name == "title") return Value{to_title(text)};
  if (name == "capitalize") return Value{to_capitalized(text)};
  if (name == "replace") return call_method("replace", Value{text}, arguments, limits);
  return Value{std::move(text)};  // string, safe
}

Result<Value> dict_filter(std::string_view name, const Value& value) {
  if (value.is_undefined()) return make_list({});
  if (value.dict() == nullptr) return template_error("not a mapping");
  Dict entries = *value.dict();
  if (name == "dictsort") {
    std::ranges::stable_sort(entries, [](const auto& a, const auto& b) {
      return to_lower(Text(a.first)).bytes < to_lower(Text(b.first)).bytes;
    });
  }
  return call_method("items", make_dict(std::move(entries)), {}, {});
}

}  // namespace

bool is_known_filter(std::string_view name) {
  return std::ranges::find(kFilters, name) != kFilters.end();
}
bool is_known_test(std::string_view name) {
  return std::ranges::find(kTests, name) != kTests.end();
}
bool test_takes_argument(std::string_view name) {
  return name == "eq" || name == "ne" || name == "equalto" || name == "in" || name == "divisibleby";
}

Result<List> items_of(const Value& value) {
  if (const List* list = value.list()) return *list;
  List items;
  if (value.is_undefined()) return items;
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, entry] : *dict) items.push_back(make_text(key));
    return items;
  }
  const Text* text = value.text();
  if (text == nullptr) return template_error(fmt::format("{} has no items", kind_of(value)));
  std::size_t at = 0;
  while (at < text->bytes.size()) {
    const std::size_t size = first_utf8_piece(std::string_view(text->bytes).substr(at)).num_bytes;
    items.push_back({text->slice(at, at + size)});
    at += size;
  }
  return items;
}

Result<std::int64_t> length_of(const Value& value) {
  if (const Text* text = value.text()) return length_of_text(text->bytes);
  if (const List* list = value.list()) return std::ssize(*list);
  if (const Dict* dict = value.dict()) return std::ssize(*dict);
  if (value.is_undefined()) return std::int64_t{0};
  return template_error(fmt::format("{} has no length", kind_of(value)));
}

Result<Value> apply_filter(std::string_view name, const Value& value, const Arguments& arguments,
                           const FunctionLimits& limits) {
  if (name == "default" || name == "d") {
    const Value* fallback = arguments.find(0, "default_value");
    const Value* for_false = arguments.find(1, "boolean");
    const bool replaces =
        value.is_undefined() || (for_false != nullptr && is_true(*for_false) && !is_true(value));
    if (!replaces) return value;
    return fallback != nullptr ? *fallback : make_text("");
  }
  if (name == "length" || name == "count") return Value {
      TRY(length_of(value))
    };
  if (name == "first" || name == "last") return edge_filter(value, name == "first");
  if (name == "join") return join_filter(value, arguments, limits);
  if (name == "tojson") return json_filter(value, arguments, limits);
  if (name == "int") return integer_filter(value, arguments);
  if (name == "items" || name == "dictsort") return dict_filter(name, value);
  if (name == "map") return map_filter(value, arguments, limits);
  if (name == "list" || name == "reverse" || name == "unique" || name == "sum") {
    return list_filter(name, value);
  }
  if (name.starts_with("select") || name.starts_with("reject")) {
    return select_filter(name, value, arguments);
  }
  if (name == "abs" || name == "float") {
    std::int64_t integer = 0;
    double real = 0;
    if (name == "abs" && to_integer(value, integer) && integer != INT64_MIN) {
      return Value{integer < 0 ? -integer : integer};
    }
    if (!to_double(value, real)) return template_error("not a number");
    return Value{name == "abs" ? std::abs(real) : real};
  }
  return text_filter(name, value, arguments, limits);
}

Result<bool> apply_test(std::string_view name, const Value& value, const Arguments& arguments) {
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.get<None>() != nullptr;
  if (name == "string") return value.text() != nullptr;
  if (name == "mapping") return value.dict() != nullptr;
  if (name == "boolean") return value.get<bool>() != nullptr;
  if (name == "true" || name == "false") {
    return value.get<bool>() != nullptr && *value.get<bool>() == (name == "true");
  }
  if (name == "integer") return value.get<std::int64_t>() != nullptr;
  if (name == "float") return value.get<double>() != nullptr;
  double real = 0;
  if (name == "number") return to_double(value, real);
  if (name == "iterable" || name == "sequence") {
    return value.text() != nullptr || value.list() != nullptr || value.dict() != nullptr ||
           (name == "iterable" && value.is_undefined());
  }
  if (name == "odd" || name == "even" || name == "divisibleby") {
    std::int64_t number = 0;
    std::int64_t divisor = 2;
    const Value* argument = arguments.find(0, "num");
    if (!to_integer(value, number) ||
        (name == "divisibleby" && (argument == nullptr || !to_integer(*argument, divisor)))) {
      return template_error(fmt::format("'{}' of something not a whole number", name));
    }
    if (divisor == 0) return template_error("division by zero");
    if (divisor == -1) return true;
    return name == "odd" ? number % 2 != 0 : number % divisor == 0;
  }
  const Value* other = arguments.find(0, "other");
  if (other == nullptr) return template_error(fmt::format("'{}' needs a value", name));
  if (name == "in") {
    if (other->text() != nullptr && value.text() != nullptr) {
      return other->text()->bytes.find(value.text()->bytes) != std::string::npos;
    }
    const List items = TRY(items_of(*other));
    return std::ranges::any_of(items, [&](const Value& each) { return is_equal(each, value); });
  }
  return is_equal(value, *other) == (name != "ne");
}

}  // namespace fathom::tokenizer
