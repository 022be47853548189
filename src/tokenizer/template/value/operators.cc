// Python's arithmetic and comparisons, checked for overflow and charged for their work.
#include "tokenizer/template/value/operators.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/checked.h"

namespace fathom::tokenizer::jinja {
namespace {

using base::checked_add;
using base::checked_mul;
using base::Error;

std::string_view symbol(Operator op) {
  static constexpr std::array<std::string_view, 15> kSymbols = {
      "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kSymbols.at(static_cast<std::size_t>(op));
}

Error unsupported(Operator op, const Value& left, const Value& right) {
  for (const Value* operand : {&left, &right}) {
    if (operand->is(Kind::kUndefined)) {
      return fail(ErrorCode::kInvalidArgument, "", "{} is undefined; it cannot be used with {}",
                  operand->undefined_what(), symbol(op));
    }
  }
  return fail(ErrorCode::kInvalidArgument, "", "operator {} does not take {} and {}", symbol(op),
              type_name(left), type_name(right));
}

Error overflow() {
  return fail(ErrorCode::kOutOfRange, "", "an integer of the template goes beyond 64 bits");
}

Error zero_division() { return fail(ErrorCode::kInvalidArgument, "", "division by zero"); }

Result<Value> checked(std::optional<std::int64_t> result) {
  if (!result) return overflow();
  return Value::integer(*result);
}

// exponent >= 0; at most 64 rounds.
std::optional<std::int64_t> integer_power(std::int64_t base, std::int64_t exponent) {
  std::optional<std::int64_t> result = 1;
  std::optional<std::int64_t> square = base;
  while (exponent > 0 && result) {
    if (exponent % 2 == 1) {
      if (!square) return std::nullopt;
      result = checked_mul(*result, *square);
    }
    exponent /= 2;
    if (square) square = checked_mul(*square, *square);
  }
  return result;
}

double float_modulo(double left, double right) {
  const double rest = std::fmod(left, right);
  if (rest != 0 && (rest < 0) != (right < 0)) return rest + right;
  return rest == 0 ? std::copysign(0.0, right) : rest;
}

Result<Value> integer_arithmetic(Operator op, std::int64_t left, std::int64_t right) {
  switch (op) {
    case Operator::kAdd:
      return checked(checked_add(left, right));
    case Operator::kSubtract: {
      std::int64_t difference = 0;
      if (__builtin_sub_overflow(left, right, &difference)) return overflow();
      return Value::integer(difference);
    }
    case Operator::kMultiply:
      return checked(checked_mul(left, right));
    case Operator::kDivide:
      if (right == 0) return zero_division();
      return Value::number(static_cast<double>(left) / static_cast<double>(right));
    case Operator::kFloorDivide:
    case Operator::kModulo: {
      if (right == 0) return zero_division();
      if (right == -1) {
        if (op == Operator::kModulo) return Value::integer(0);
        return negate(Value::integer(left));
      }
      // C++ rounds towards zero, Python down.
      const bool rounds_up = left % right != 0 && (left < 0) != (right < 0);
      if (op == Operator::kModulo) return Value::integer(left % right + (rounds_up ? right : 0));
      return Value::integer(left / right - (rounds_up ? 1 : 0));
    }
    default:
      if (right >= 0) return checked(integer_power(left, right));
      if (left == 0) return zero_division();
      return Value::number(std::pow(static_cast<double>(left), static_cast<double>(right)));
  }
}

Result<Value> float_arithmetic(Operator op, double left, double right) {
  switch (op) {
    case Operator::kAdd:
      return Value::number(left + right);
    case Operator::kSubtract:
      return Value::number(left - right);
    case Operator::kMultiply:
      return Value::number(left * right);
    case Operator::kDivide:
      if (right == 0) return zero_division();
      return Value::number(left / right);
    case Operator::kFloorDivide:
      if (right == 0) return zero_division();
      return Value::number(std::round((left - float_modulo(left, right)) / right));
    case Operator::kModulo:
      if (right == 0) return zero_division();
      return Value::number(float_modulo(left, right));
    default: {
      const double power = std::pow(left, right);
      if (!std::isfinite(power) && std::isfinite(left) && std::isfinite(right)) {
        return fail(ErrorCode::kOutOfRange, "", "the result of ** is not a finite number");
      }
      if (std::isnan(power)) return fail(ErrorCode::kOutOfRange, "", "** gives no real number");
      return Value::number(power);
    }
  }
}

Result<Value> concatenate(const Value& left, const Value& right, Budget& budget) {
  if (left.is(Kind::kString)) {
    // Charged before it is built: both sizes are at most max_value_bytes, the sum cannot wrap.
    TRY(budget.charge_bytes(left.as_text().held_bytes() + right.as_text().held_bytes()));
    Text text = left.as_text();
    text.append(right.as_text());
    return Value::string(std::move(text));
  }
  const auto& front = left.as_sequence().items;
  const auto& back = right.as_sequence().items;
  TRY(budget.charge_bytes((front.size() + back.size()) * sizeof(Value)));
  std::vector<Value> items = front;
  items.insert(items.end(), back.begin(), back.end());
  return make_sequence(left.as_sequence().type, std::move(items), budget);
}

Result<Value> repeat(const Value& value, std::int64_t times, Budget& budget) {
  const std::size_t count = times > 0 ? static_cast<std::size_t>(times) : 0;
  const bool is_text = value.is(Kind::kString);
  const std::size_t size =
      is_text ? value.as_text().held_bytes() : value.as_sequence().items.size() * sizeof(Value);
  const auto total = checked_mul(size, count);
  TRY(budget.charge_bytes(total.value_or(std::numeric_limits<std::size_t>::max())));
  if (is_text) {
    Text text;
    if (size > 0) {
      for (std::size_t i = 0; i < count; ++i) text.append(value.as_text());
    }
    return Value::string(std::move(text));
  }
  const auto& source = value.as_sequence().items;
  std::vector<Value> items;
  if (!source.empty()) {
    for (std::size_t i = 0; i < count; ++i) {
      items.insert(items.end(), source.begin(), source.end());
    }
  }
  return make_sequence(value.as_sequence().type, std::move(items), budget);
}

bool is_list_or_tuple(const Value& value) {
  return value.is(Kind::kSequence) && (value.as_sequence().type == SequenceType::kList ||
                                       value.as_sequence().type == SequenceType::kTuple);
}

bool are_same_sequences(const Value& left, const Value& right) {
  return is_list_or_tuple(left) && is_list_or_tuple(right) &&
         left.as_sequence().type == right.as_sequence().type;
}

Result<bool> sequences_equal(const Sequence& left, const Sequence& right, Budget& budget) {
  if (left.items.size() != right.items.size()) return false;
  for (std::size_t i = 0; i < left.items.size(); ++i) {
    if (!TRY(equal(left.items[i], right.items[i], budget))) return false;
  }
  return true;
}

Result<bool> dicts_equal(const Dict& left, const Dict& right, Budget& budget) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = TRY(find_key(right, key, budget));
    if (other == nullptr || !TRY(equal(value, *other, budget))) return false;
  }
  return true;
}

}  // namespace

std::optional<std::int64_t> to_integer(const Value& value) {
  if (value.is(Kind::kInteger)) return value.as_integer();
  if (value.is(Kind::kBool)) return value.as_bool() ? 1 : 0;
  return std::nullopt;
}

double to_double(const Value& value) {
  if (value.is(Kind::kFloat)) return value.as_float();
  return static_cast<double>(to_integer(value).value_or(0));
}

Result<Value> arithmetic(Operator op, const Value& left, const Value& right, Budget& budget) {
  if (left.is_number() && right.is_number()) {
    const auto first = to_integer(left);
    const auto second = to_integer(right);
    if (first && second) return integer_arithmetic(op, *first, *second);
    return float_arithmetic(op, to_double(left), to_double(right));
  }
  const bool are_strings = left.is(Kind::kString) && right.is(Kind::kString);
  if (op == Operator::kAdd && (are_strings || are_same_sequences(left, right))) {
    return concatenate(left, right, budget);
  }
  if (op == Operator::kMultiply) {
    const auto repeats = [](const Value& value) {
      return value.is(Kind::kString) || is_list_or_tuple(value);
    };
    if (repeats(left) && to_integer(right)) return repeat(left, *to_integer(right), budget);
    if (repeats(right) && to_integer(left)) return repeat(right, *to_integer(left), budget);
  }
  if (op == Operator::kModulo && left.is(Kind::kString)) {
    return fail(ErrorCode::kUnimplemented, "",
                "string formatting with % is not supported; use ~ to join texts");
  }
  return unsupported(op, left, right);
}

Result<Value> negate(const Value& value) {
  if (value.is(Kind::kFloat)) return Value::number(-value.as_float());
  if (const auto integer = to_integer(value)) {
    if (*integer == std::numeric_limits<std::int64_t>::min()) return overflow();
    return Value::integer(-*integer);
  }
  if (value.is(Kind::kUndefined)) {
    return fail(ErrorCode::kInvalidArgument, "", "{} is undefined", value.undefined_what());
  }
  return fail(ErrorCode::kInvalidArgument, "", "a {} has no negative", type_name(value));
}

Result<bool> equal(const Value& left, const Value& right, Budget& budget) {
  TRY(budget.charge_steps(1));
  if (left.is_number() && right.is_number()) {
    const auto first = to_integer(left);
    const auto second = to_integer(right);
    if (first && second) return *first == *second;
    return to_double(left) == to_double(right);
  }
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::kString:
      TRY(budget.charge_walk(std::min(left.as_bytes().size(), right.as_bytes().size())));
      return left.as_bytes() == right.as_bytes();
    case Kind::kSequence:
      if (&left.as_sequence() == &right.as_sequence()) return true;
      if (!are_same_sequences(left, right)) return false;
      return sequences_equal(left.as_sequence(), right.as_sequence(), budget);
    case Kind::kDict:
      return dicts_equal(left.as_dict(), right.as_dict(), budget);
    case Kind::kNamespace:
      return left.as_namespace() == right.as_namespace();
    case Kind::kLoop:
      return &left.as_loop() == &right.as_loop();
    case Kind::kMacro:
      return left.as_macro() == right.as_macro();
    case Kind::kFunction:
      return left.as_function() == right.as_function();
    case Kind::kMethod:
      return left.as_method().name == right.as_method().name &&
             TRY(equal(left.as_method().receiver, right.as_method().receiver, budget));
    default:
      return true;  // undefined and none
  }
}

Result<bool> less(const Value& left, const Value& right, Budget& budget) {
  TRY(budget.charge_steps(1));
  if (left.is_number() && right.is_number()) {
    const auto first = to_integer(left);
    const auto second = to_integer(right);
    if (first && second) return *first < *second;
    return to_double(left) < to_double(right);
  }
  if (left.is(Kind::kString) && right.is(Kind::kString)) {
    // Byte order of UTF-8 is code point order.
    TRY(budget.charge_walk(std::min(left.as_bytes().size(), right.as_bytes().size())));
    return left.as_bytes() < right.as_bytes();
  }
  if (are_same_sequences(left, right)) {
    const auto& first = left.as_sequence().items;
    const auto& second = right.as_sequence().items;
    for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
      if (!TRY(equal(first[i], second[i], budget))) return less(first[i], second[i], budget);
    }
    return first.size() < second.size();
  }
  return unsupported(Operator::kLess, left, right);
}

Result<bool> compare(Operator op, const Value& left, const Value& right, Budget& budget) {
  const bool has_nan = (left.is(Kind::kFloat) && std::isnan(left.as_float())) ||
                       (right.is(Kind::kFloat) && std::isnan(right.as_float()));
  switch (op) {
    case Operator::kEqual:
      return equal(left, right, budget);
    case Operator::kNotEqual:
      return !TRY(equal(left, right, budget));
    case Operator::kLess:
      return less(left, right, budget);
    case Operator::kGreater:
      return less(right, left, budget);
    case Operator::kLessEqual:
      return !TRY(less(right, left, budget))
      &&!has_nan;
    case Operator::kGreaterEqual:
      return !TRY(less(left, right, budget))
      &&!has_nan;
    case Operator::kIn:
      return contains(right, left, budget);
    default:
      return !TRY(contains(right, left, budget));
  }
}

Result<bool> contains(const Value& haystack, const Value& needle, Budget& budget) {
  if (haystack.is(Kind::kString)) {
    if (!needle.is(Kind::kString)) return unsupported(Operator::kIn, needle, haystack);
    const std::string& text = haystack.as_bytes();
    TRY(budget.charge_walk(text.size()));
    // memmem takes linear time whatever the texts; std::string::find does not.
    return ::memmem(text.data(), text.size(), needle.as_bytes().data(), needle.as_bytes().size()) !=
           nullptr;
  }
  if (haystack.is(Kind::kDict)) {
    TRY(check_hashable(needle));
    return TRY(find_key(haystack.as_dict(), needle, budget))
    != nullptr;
  }
  if (!haystack.is(Kind::kSequence) && !haystack.is(Kind::kUndefined)) {
    return unsupported(Operator::kIn, needle, haystack);
  }
  const auto sequence = TRY(iterate(haystack, budget));
  for (const Value& item : sequence->items) {
    if (TRY(equal(item, needle, budget))) return true;
  }
  return false;
}

}  // namespace fathom::tokenizer::jinja
