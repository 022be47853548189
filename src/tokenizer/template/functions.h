// The filters, tests and methods that templates may use. No others exist: nothing is looked up
// by reflection, and none does input or output.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tokenizer/template/value.h"

namespace fathom::tokenizer {

// Arguments of a call: by position, and by name.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // Argument i, or the one of that name, or nullptr.
  const Value* find(std::size_t i, std::string_view name) const;
};

bool is_known_filter(std::string_view name);
bool is_known_test(std::string_view name);
// Whether "x is test y" reads y.
bool test_takes_argument(std::string_view name);

// Errors carry no line: the caller adds it. No result holds more than max_bytes of text or
// max_items of a list.
struct FunctionLimits {
  std::size_t max_bytes;
  std::size_t max_items;
};
base::Result<Value> apply_filter(std::string_view name, const Value& value,
                                 const Arguments& arguments, const FunctionLimits& limits);
base::Result<bool> apply_test(std::string_view name, const Value& value,
                              const Arguments& arguments);
// Whether values of this kind have the method.
bool has_method(const Value& self, std::string_view name);
base::Result<Value> call_method(std::string_view name, const Value& self,
                                const Arguments& arguments, const FunctionLimits& limits);

// range, namespace, dict, raise_exception: the last fails with the template's own message.
bool is_known_builtin(std::string_view name);
base::Result<Value> call_builtin(std::string_view name, const Arguments& arguments,
                                 const FunctionLimits& limits);

// The variable "loop" of item i.
Value loop_variable(const List& items, std::size_t i);

// Whether a namespace is the value or inside it. Only namespaces can be changed, so only through
// one could a value come to hold itself.
bool holds_namespace(const Value& value);

// The items a loop goes over: a list's, a string's characters, a mapping's keys.
base::Result<List> items_of(const Value& value);
// Python's len().
base::Result<std::int64_t> length_of(const Value& value);

base::Error template_error(std::string message);

}  // namespace fathom::tokenizer
