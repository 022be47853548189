// Whole numbers with checked overflow, floats, strings and lists.
#include "tokenizer/template/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

using base::Error;
using base::Result;

Error mismatch(std::string_view name, const Value& left, const Value& right) {
  return template_error(fmt::format("'{}' of {} and {}", name, kind_of(left), kind_of(right)));
}

Result<Value> integer_arithmetic(char name, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflows = false;
  switch (name) {
    case '+':
      overflows = __builtin_add_overflow(a, b, &result);
      break;
    case '-':
      overflows = __builtin_sub_overflow(a, b, &result);
      break;
    case '*':
      overflows = __builtin_mul_overflow(a, b, &result);
      break;
    default: {  // % and //, towards minus infinity as in Python
      if (b == 0) return template_error("division by zero");
      if (b == -1) {
        overflows = name != '%' && a == INT64_MIN;
        result = name == '%' || overflows ? 0 : -a;
        break;
      }
      const std::int64_t remainder = a % b;
      const bool is_off = remainder != 0 && (remainder < 0) != (b < 0);
      result = name == '%' ? remainder + (is_off ? b : 0) : a / b - (is_off ? 1 : 0);
    }
  }
  if (overflows) return template_error("a number out of range");
  return Value{result};
}

Result<Value> arithmetic(std::string_view name, const Value& left, const Value& right) {
  std::int64_t a = 0;
  std::int64_t b = 0;
  if (name != "/" && to_integer(left, a) && to_integer(right, b)) {
    return integer_arithmetic(name == "//" ? '/' : name[0], a, b);
  }
  double x = 0;
  double y = 0;
  if (!to_double(left, x) || !to_double(right, y)) return mismatch(name, left, right);
  if (name == "+") return Value{x + y};
  if (name == "-") return Value{x - y};
  if (name == "*") return Value{x * y};
  if (y == 0) return template_error("division by zero");
  if (name == "/") return Value{x / y};
  const double quotient = std::floor(x / y);
  return Value{name == "//" ? quotient : x - quotient * y};
}

Result<Value> concatenate(const Text& left, const Text& right, const FunctionLimits& limits) {
  if (left.bytes.size() + right.bytes.size() > limits.max_bytes) {
    return template_error("a string is too long");
  }
  Text both = left;
  both.append(right);
  return Value{std::move(both)};
}

// 'ab' * 3 and [1] * 3, refused before anything is built.
Result<Value> repeat(const Value& value, std::int64_t count, const FunctionLimits& limits) {
  count = std::max<std::int64_t>(count, 0);
  const auto times = static_cast<std::size_t>(count);
  if (const Text* text = value.text()) {
    if (!text->bytes.empty() && times > limits.max_bytes / text->bytes.size()) {
      return template_error("a string is too long");
    }
    Text repeated;
    for (std::size_t i = 0; i < times && !text->bytes.empty(); ++i) repeated.append(*text);
    return Value{std::move(repeated)};
  }
  const List& list = *value.list();
  if (!list.empty() && times > limits.max_items / list.size()) {
    return template_error("a list is too long");
  }
  List repeated;
  for (std::size_t i = 0; i < times && !list.empty(); ++i) {
    repeated.insert(repeated.end(), list.begin(), list.end());
  }
  return make_list(std::move(repeated));
}

bool is_sequence(const Value& value) { return value.text() != nullptr || value.list() != nullptr; }

Result<Value> add_or_multiply(std::string_view name, const Value& left, const Value& right,
                              const FunctionLimits& limits) {
  std::int64_t count = 0;
  if (name == "*" && is_sequence(left) && to_integer(right, count)) {
    return repeat(left, count, limits);
  }
  if (name == "*" && is_sequence(right) && to_integer(left, count)) {
    return repeat(right, count, limits);
  }
  if (name == "+" && left.text() != nullptr && right.text() != nullptr) {
    return concatenate(*left.text(), *right.text(), limits);
  }
  if (name == "+" && left.list() != nullptr && right.list() != nullptr) {
    if (left.list()->size() + right.list()->size() > limits.max_items) {
      return template_error("a list is too long");
    }
    List both = *left.list();
    both.insert(both.end(), right.list()->begin(), right.list()->end());
    return make_list(std::move(both));
  }
  return arithmetic(name, left, right);
}

Result<bool> is_less(std::string_view name, const Value& left, const Value& right) {
  double a = 0;
  double b = 0;
  if (to_double(left, a) && to_double(right, b)) return a < b;
  if (left.text() != nullptr && right.text() != nullptr) {
    return left.text()->bytes < right.text()->bytes;
  }
  return mismatch(name, left, right);
}

Result<std::optional<std::int64_t>> slice_part(const Value& value) {
  std::int64_t number = 0;
  if (value.get<None>() != nullptr) return std::optional<std::int64_t>();
  if (!to_integer(value, number)) return template_error("a slice needs whole numbers");
  return std::optional<std::int64_t>(number);
}

Result<bool> contains(const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    if (item.text() == nullptr) return mismatch("in", item, container);
    return text->bytes.find(item.text()->bytes) != std::string::npos;
  }
  const List items = TRY(items_of(container));
  return std::ranges::any_of(items, [&](const Value& each) { return is_equal(each, item); });
}

}  // namespace

Result<Value> binary(std::string_view name, const Value& left, const Value& right,
                     const FunctionLimits& limits) {
  if (name == "==") return Value{is_equal(left, right)};
  if (name == "!=") return Value{!is_equal(left, right)};
  if (name == "in") return Value {
      TRY(contains(right, left))
    };
  if (name == "not in") return Value {
      !TRY(contains(right, left))
    };
  if (name == "<") return Value {
      TRY(is_less(name, left, right))
    };
  if (name == ">") return Value {
      TRY(is_less(name, right, left))
    };
  if (name == "<=") return Value {
      TRY(is_less(name, left, right))
      || is_equal(left, right)
    };
  if (name == ">=") return Value {
      TRY(is_less(name, right, left))
      || is_equal(left, right)
    };
  if (name == "~") {
    Text a;
    Text b;
    print(left, false, a);
    print(right, false, b);
    return concatenate(a, b, limits);
  }
  if (name == "%" && left.text() != nullptr) {
    return template_error("'%' of a string is not implemented");
  }
  return add_or_multiply(name, left, right, limits);
}

Result<Value> negate(const Value& value, bool is_negated) {
  std::int64_t integer = 0;
  double real = 0;
  if (to_integer(value, integer)) {
    return is_negated ? integer_arithmetic('-', 0, integer) : Result<Value>(Value{integer});
  }
  if (!to_double(value, real)) return template_error(fmt::format("'-' of {}", kind_of(value)));
  return Value{is_negated ? -real : real};
}

Result<Value> subscript(const Value& object, const Value& key) {
  if (object.is_undefined()) {
    return template_error(fmt::format("'{}' is undefined", object.get<Undefined>()->name));
  }
  if (const Dict* dict = object.dict()) {
    if (key.text() == nullptr) return Value{Undefined{"key"}};
    const Value* found = find_entry(*dict, key.text()->bytes);
    return found != nullptr ? *found : Value{Undefined{key.text()->bytes}};
  }
  std::int64_t index = 0;
  if (!is_sequence(object) || !to_integer(key, index)) return Value{Undefined{"item"}};
  const List items = TRY(items_of(object));
  if (index < 0) index += std::ssize(items);
  if (index < 0 || index >= std::ssize(items)) return Value{Undefined{"item"}};
  return items[static_cast<std::size_t>(index)];
}

Result<Value> slice(const Value& object, const Value& begin, const Value& end, const Value& step) {
  if (!is_sequence(object)) return template_error(fmt::format("a slice of {}", kind_of(object)));
  const auto from = TRY(slice_part(begin));
  const auto to = TRY(slice_part(end));
  const std::int64_t by = TRY(slice_part(step))
  .value_or(1);
  if (by == 0) return template_error("a slice with step 0");
  const List items = TRY(items_of(object));
  const std::int64_t size = std::ssize(items);
  const auto place = [&](std::optional<std::int64_t> at, std::int64_t fallback) {
    if (!at) return fallback;
    const std::int64_t low = by > 0 ? 0 : -1;
    const std::int64_t high = by > 0 ? size : size - 1;
    return std::clamp(*at < 0 ? std::max(*at + size, low) : *at, low, high);
  };
  const std::int64_t first = place(from, by > 0 ? 0 : size - 1);
  const std::int64_t last = place(to, by > 0 ? size : -1);
  List kept;
  for (std::int64_t i = first; by > 0 ? i < last : i > last;) {
    kept.push_back(items[static_cast<std::size_t>(i)]);
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  if (object.text() == nullptr) return make_list(std::move(kept));
  Text text;
  for (const Value& item : kept) text.append(*item.text());
  return Value{std::move(text)};
}

}  // namespace fathom::tokenizer
