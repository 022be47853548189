// Values of the template language, and text that remembers which of its bytes users wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/byte_range.h"

namespace fathom::tokenizer {

// A string whose untrusted bytes are marked: sorted, disjoint, non-empty ranges.
struct Text {
  std::string bytes;
  std::vector<base::ByteRange> untrusted;

  Text() = default;
  // Trusted, as the template's own words are.
  explicit Text(std::string trusted) : bytes(std::move(trusted)) {}
  static Text from_user(std::string bytes);

  void append(const Text& other);
  Text slice(std::size_t begin, std::size_t end) const;
  // For operations that do not keep places: new bytes, all untrusted if any of these were.
  Text with_bytes(std::string changed) const;
};

struct Value;
using List = std::vector<Value>;
// In order of insertion, as Python's.
using Dict = std::vector<std::pair<std::string, Value>>;
struct Macro;
struct Undefined {
  std::string name;  // what was looked for
};
struct None {};
// A function of the language's own: "range", or a method bound to its object: "x.strip".
struct Builtin {
  std::string name;
  std::shared_ptr<const Value> self;
};

struct Value {
  std::variant<Undefined, None, bool, std::int64_t, double, Text, std::shared_ptr<List>,
               std::shared_ptr<Dict>, std::shared_ptr<const Macro>, Builtin>
      data;
  bool is_namespace = false;  // a Dict whose entries templates may set
  bool is_tuple = false;      // a List that prints with parentheses

  template <typename T>
  const T* get() const {
    return std::get_if<T>(&data);
  }
  const Text* text() const { return get<Text>(); }
  const List* list() const {
    const auto* pointer = get<std::shared_ptr<List>>();
    return pointer != nullptr ? pointer->get() : nullptr;
  }
  const Dict* dict() const {
    const auto* pointer = get<std::shared_ptr<Dict>>();
    return pointer != nullptr ? pointer->get() : nullptr;
  }
  bool is_undefined() const { return get<Undefined>() != nullptr; }
};

Value make_text(std::string trusted);
Value make_list(List items);
Value make_dict(Dict entries);

const Value* find_entry(const Dict& dict, std::string_view key);

bool is_true(const Value& value);
// As Python's ==: 1 == 1.0 == true; lists and dicts by their content.
bool is_equal(const Value& a, const Value& b);
// Whole numbers and booleans as a number; false for other values.
bool to_integer(const Value& value, std::int64_t& number);
bool to_double(const Value& value, double& number);
// "string", "mapping" ... for error messages.
std::string_view kind_of(const Value& value);

// As str() prints it; `quoted` as repr(), inside lists and dicts.
void print(const Value& value, bool quoted, Text& out);
// As json.dumps() with ensure_ascii=False; indent < 0: on one line.
void print_json(const Value& value, int indent, int depth, Text& out);

}  // namespace fathom::tokenizer
