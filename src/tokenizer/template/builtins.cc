// The functions that stand for themselves, and the loop variable.
#include <algorithm>

#include "tokenizer/template/functions.h"

namespace fathom::tokenizer {

using base::Result;

namespace {

Result<Value> make_range(const Arguments& arguments, const FunctionLimits& limits) {
  std::int64_t numbers[3] = {0, 0, 1};
  const std::size_t count = arguments.positional.size();
  if (count < 1 || count > 3) return template_error("range() takes one to three numbers");
  for (std::size_t i = 0; i < count; ++i) {
    if (!to_integer(arguments.positional[i], numbers[count == 1 ? 1 : i])) {
      return template_error("range() takes whole numbers");
    }
  }
  const auto [begin, end, step] = numbers;
  if (step == 0) return template_error("range() with step 0");
  List items;
  std::int64_t i = begin;
  while (step > 0 ? i < end : i > end) {
    if (items.size() >= limits.max_items) return template_error("range() is too long");
    items.push_back({i});
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_list(std::move(items));
}

}  // namespace

bool is_known_builtin(std::string_view name) {
  return name == "range" || name == "namespace" || name == "dict" || name == "raise_exception";
}

Result<Value> call_builtin(std::string_view name, const Arguments& arguments,
                           const FunctionLimits& limits) {
  if (name == "raise_exception") {
    const Value* message = arguments.find(0, "message");
    Text text;
    if (message != nullptr) print(*message, false, text);
    return template_error(text.bytes);
  }
  if (name == "range") return make_range(arguments, limits);
  Dict entries(arguments.named.begin(), arguments.named.end());
  if (!arguments.positional.empty()) {
    const Dict* given = arguments.positional[0].dict();
    if (given == nullptr) return template_error("not a mapping");
    entries.insert(entries.begin(), given->begin(), given->end());
  }
  Value made = make_dict(std::move(entries));
  made.is_namespace = name == "namespace";
  return made;
}

Value loop_variable(const List& items, std::size_t i) {
  const auto index = static_cast<std::int64_t>(i);
  const std::int64_t count = std::ssize(items);
  return make_dict(
      {{"index", {index + 1}},
       {"index0", {index}},
       {"revindex", {count - index}},
       {"revindex0", {count - index - 1}},
       {"first", {index == 0}},
       {"last", {index + 1 == count}},
       {"length", {count}},
       {"previtem", i > 0 ? items[i - 1] : Value{Undefined{"previtem"}}},
       {"nextitem", i + 1 < items.size() ? items[i + 1] : Value{Undefined{"nextitem"}}}});
}

bool holds_namespace(const Value& value) {
  if (value.is_namespace) return true;
  if (const List* list = value.list()) return std::ranges::any_of(*list, holds_namespace);
  const Dict* dict = value.dict();
  return dict != nullptr && std::ranges::any_of(*dict, [](const auto& entry) {
           return holds_namespace(entry.second);
         });
}

}  // namespace fathom::tokenizer
