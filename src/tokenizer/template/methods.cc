// Methods of strings, mappings and lists.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tokenizer/template/functions.h"
#include "tokenizer/template/text_functions.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

using base::Result;

namespace {

constexpr std::array<std::string_view, 16> kTextMethods = {
    "strip", "lstrip", "rstrip",     "split", "startswith", "endswith", "replace",    "upper",
    "lower", "title",  "capitalize", "join",  "find",       "count",    "splitlines", "isdigit"};
constexpr std::array<std::string_view, 4> kDictMethods = {"items", "keys", "values", "get"};

Result<const Text*> text_argument(const Arguments& arguments, std::size_t i,
                                  std::string_view name) {
  const Value* value = arguments.find(i, name);
  if (value == nullptr || value->text() == nullptr) {
    return template_error(fmt::format("argument {} is not a string", name));
  }
  return value->text();
}

std::int64_t integer_argument(const Arguments& arguments, std::size_t i, std::string_view name,
                              std::int64_t fallback) {
  const Value* value = arguments.find(i, name);
  std::int64_t number = fallback;
  return value != nullptr && to_integer(*value, number) ? number : fallback;
}

Value list_of(std::vector<Text> parts) {
  List items;
  for (Text& part : parts) items.push_back({std::move(part)});
  return make_list(std::move(items));
}

Result<Value> join_method(const Text& self, const Arguments& arguments,
                          const FunctionLimits& limits) {
  const Value* value = arguments.find(0, "iterable");
  if (value == nullptr) return template_error("join() needs a list");
  Text joined;
  bool is_first = true;
  for (const Value& item : TRY(items_of(*value))) {
    if (item.text() == nullptr) return template_error("join() of something not a string");
    if (!is_first) joined.append(self);
    is_first = false;
    joined.append(*item.text());
    if (joined.bytes.size() > limits.max_bytes) return template_error("a string is too long");
  }
  return Value{std::move(joined)};
}

// startswith() and endswith() take one string or a tuple of them.
Result<bool> has_affix(const Text& self, const Arguments& arguments, bool at_start) {
  const Value* value = arguments.find(0, "prefix");
  if (value == nullptr) return template_error("startswith() and endswith() need a string");
  const auto matches = [&](const Value& affix) {
    const Text* text = affix.text();
    return text != nullptr &&
           (at_start ? self.bytes.starts_with(text->bytes) : self.bytes.ends_with(text->bytes));
  };
  if (value->list() != nullptr) return std::ranges::any_of(*value->list(), matches);
  if (value->text() == nullptr) return template_error("startswith() of something not a string");
  return matches(*value);
}

std::vector<Text> split_lines(const Text& self) {
  std::vector<Text> lines = split(self, "\n", -1);
  if (lines.back().bytes.empty()) lines.pop_back();
  for (Text& line : lines) {
    if (line.bytes.ends_with('\r')) line = line.slice(0, line.bytes.size() - 1);
  }
  return lines;
}

std::int64_t count_of(std::string_view text, std::string_view part) {
  if (part.empty()) return 0;
  std::int64_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

// In characters, as Python counts.
std::int64_t position_of(std::string_view text, std::string_view part) {
  const std::size_t found = text.find(part);
  if (found == std::string_view::npos) return -1;
  return std::ranges::count_if(
      text.substr(0, found), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Result<Value> strip_method(std::string_view name, const Text& self, const Arguments& arguments) {
  std::string_view characters;
  if (const Value* value = arguments.find(0, "chars");
      value != nullptr && value->text() != nullptr) {
    characters = value->text()->bytes;
    for (const char c : characters) {
      if (static_cast<unsigned char>(c) >= 0x80) {
        return template_error("strip() of characters beyond ASCII is not implemented");
      }
    }
    if (characters.empty()) return Value{self};
  }
  return Value{strip(self, characters, name != "rstrip", name != "lstrip")};
}

Result<Value> call_text_method(std::string_view name, const Text& self, const Arguments& arguments,
                               const FunctionLimits& limits) {
  if (name.ends_with("strip")) return strip_method(name, self, arguments);
  if (name == "startswith") return Value {
      TRY(has_affix(self, arguments, true))
    };
  if (name == "endswith") return Value {
      TRY(has_affix(self, arguments, false))
    };
  if (name == "upper") return Value{to_upper(self)};
  if (name == "lower") return Value{to_lower(self)};
  if (name == "title") return Value{to_title(self)};
  if (name == "capitalize") return Value{to_capitalized(self)};
  if (name == "join") return join_method(self, arguments, limits);
  if (name == "splitlines") {
    return self.bytes.empty() ? make_list({}) : list_of(split_lines(self));
  }
  if (name == "isdigit") {
    return Value{!self.bytes.empty() &&
                 std::ranges::all_of(self.bytes, [](char c) { return c >= '0' && c <= '9'; })};
  }
  if (name == "split") {
    const Value* separator = arguments.find(0, "sep");
    const std::int64_t max_splits = integer_argument(arguments, 1, "maxsplit", -1);
    if (separator == nullptr || separator->get<None>() != nullptr) {
      return list_of(split(self, "", max_splits));
    }
    if (separator->text() == nullptr || separator->text()->bytes.empty()) {
      return template_error("split() needs a separator that is not empty");
    }
    return list_of(split(self, separator->text()->bytes, max_splits));
  }
  const Text& part = *TRY(text_argument(arguments, 0, name == "replace" ? "old" : "sub"));
  if (name == "find") return Value{position_of(self.bytes, part.bytes)};
  if (name == "count") return Value{count_of(self.bytes, part.bytes)};
  Text replaced;
  const Text& to = *TRY(text_argument(arguments, 1, "new"));
  const std::int64_t max_count = integer_argument(arguments, 2, "count", -1);
  if (!replace(self, part, to, max_count, limits.max_bytes, replaced)) {
    return template_error("a string is too long");
  }
  return Value{std::move(replaced)};
}

Result<Value> call_dict_method(std::string_view name, const Dict& self,
                               const Arguments& arguments) {
  if (name == "get") {
    const Text& key = *TRY(text_argument(arguments, 0, "key"));
    if (const Value* found = find_entry(self, key.bytes)) return *found;
    const Value* fallback = arguments.find(1, "default");
    return fallback != nullptr ? *fallback : Value{None{}};
  }
  List items;
  for (const auto& [key, value] : self) {
    if (name == "keys") items.push_back(make_text(key));
    if (name == "values") items.push_back(value);
    if (name == "items") {
      items.push_back(make_list({make_text(key), value}));
      items.back().is_tuple = true;
    }
  }
  return make_list(std::move(items));
}

}  // namespace

bool has_method(const Value& self, std::string_view name) {
  if (self.text() != nullptr) return std::ranges::find(kTextMethods, name) != kTextMethods.end();
  if (self.dict() != nullptr) return std::ranges::find(kDictMethods, name) != kDictMethods.end();
  return false;
}

Result<Value> call_method(std::string_view name, const Value& self, const Arguments& arguments,
                          const FunctionLimits& limits) {
  if (self.text() != nullptr) return call_text_method(name, *self.text(), arguments, limits);
  return call_dict_method(name, *self.dict(), arguments);
}

}  // namespace fathom::tokenizer
