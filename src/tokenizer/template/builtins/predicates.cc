// Jinja's tests.
#include "tokenizer/template/builtins/predicates.h"

#include <array>
#include <cmath>
#include <utility>

#include "tokenizer/template/builtins/filters.h"
#include "tokenizer/template/builtins/strings.h"
#include "tokenizer/template/value/format.h"
#include "tokenizer/template/value/operators.h"

namespace fathom::tokenizer::jinja {
namespace {

using Check = bool (*)(const Value&);

// A test without arguments that looks at the value alone.
template <Check kCheck>
Result<bool> plain(const Value& input, const Arguments& arguments, Budget&) {
  TRY(bind(arguments, {"the test", {}}));
  return kCheck(input);
}

bool is_defined(const Value& value) { return !value.is(Kind::kUndefined); }
bool is_undefined(const Value& value) { return value.is(Kind::kUndefined); }
bool is_none(const Value& value) { return value.is(Kind::kNone); }
bool is_bool(const Value& value) { return value.is(Kind::kBool); }
bool is_true(const Value& value) { return is_bool(value) && value.as_bool(); }
bool is_false(const Value& value) { return is_bool(value) && !value.as_bool(); }
bool is_integer(const Value& value) { return value.is(Kind::kInteger); }
bool is_float(const Value& value) { return value.is(Kind::kFloat); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_string(const Value& value) { return value.is(Kind::kString); }
bool is_mapping(const Value& value) { return value.is(Kind::kDict); }

bool is_iterable(const Value& value) {
  return is_string(value) || is_mapping(value) || is_undefined(value) ||
         value.is(Kind::kSequence) || value.is(Kind::kLoop);
}

// Anything with a length and subscripts; undefined pretends to both.
bool is_sequence(const Value& value) {
  if (value.is(Kind::kSequence)) {
    return value.as_sequence().type == SequenceType::kList ||
           value.as_sequence().type == SequenceType::kTuple;
  }
  return is_string(value) || is_mapping(value) || is_undefined(value);
}

bool is_callable(const Value& value) {
  return value.is(Kind::kMacro) || value.is(Kind::kFunction) || value.is(Kind::kMethod) ||
         is_undefined(value);
}

template <Operator kOperator>
Result<bool> compares(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"the test", {"other"}, 1}));
  return compare(kOperator, input, *slots[0], budget);
}

Result<Value> modulo(const Value& input, const Value& divisor, Budget& budget) {
  if (!input.is_number()) {
    return fail(ErrorCode::kInvalidArgument, "", "the test needs a number, not {}",
                type_name(input));
  }
  return arithmetic(Operator::kModulo, input, divisor, budget);
}

template <int kRest>
Result<bool> has_parity(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"the test", {}}));
  return to_double(TRY(modulo(input, Value::integer(2), budget))) == kRest;
}

Result<bool> is_divisible(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"divisibleby", {"num"}, 1}));
  return to_double(TRY(modulo(input, *slots[0], budget))) == 0;
}

// At least one cased character, and none that changing the case would change.
template <Case kCase>
Result<bool> is_in_case(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"the test", {}}));
  const Text text = TRY(to_text(input, budget));
  constexpr Case kOther = kCase == Case::kUpper ? Case::kLower : Case::kUpper;
  return TRY(change_case(text, kCase, budget))
  .bytes() == text.bytes() && TRY(change_case(text, kOther, budget))
  .bytes() != text.bytes();
}

Result<bool> names_filter(const Value& input, const Arguments& arguments, Budget&) {
  TRY(bind(arguments, {"filter", {}}));
  return input.is(Kind::kString) && find_filter(input.as_bytes()) != nullptr;
}

Result<bool> names_test(const Value& input, const Arguments& arguments, Budget&) {
  TRY(bind(arguments, {"test", {}}));
  return input.is(Kind::kString) && find_predicate(input.as_bytes()) != nullptr;
}

constexpr std::pair<std::string_view, Predicate> kPredicates[] = {
    {"defined", plain<is_defined>},
    {"undefined", plain<is_undefined>},
    {"none", plain<is_none>},
    {"boolean", plain<is_bool>},
    {"true", plain<is_true>},
    {"false", plain<is_false>},
    {"integer", plain<is_integer>},
    {"float", plain<is_float>},
    {"number", plain<is_number>},
    {"string", plain<is_string>},
    {"mapping", plain<is_mapping>},
    {"iterable", plain<is_iterable>},
    {"sequence", plain<is_sequence>},
    {"callable", plain<is_callable>},
    {"eq", compares<Operator::kEqual>},
    {"equalto", compares<Operator::kEqual>},
    {"==", compares<Operator::kEqual>},
    {"ne", compares<Operator::kNotEqual>},
    {"!=", compares<Operator::kNotEqual>},
    {"lt", compares<Operator::kLess>},
    {"lessthan", compares<Operator::kLess>},
    {"<", compares<Operator::kLess>},
    {"le", compares<Operator::kLessEqual>},
    {"<=", compares<Operator::kLessEqual>},
    {"gt", compares<Operator::kGreater>},
    {"greaterthan", compares<Operator::kGreater>},
    {">", compares<Operator::kGreater>},
    {"ge", compares<Operator::kGreaterEqual>},
    {">=", compares<Operator::kGreaterEqual>},
    {"in", compares<Operator::kIn>},
    {"odd", has_parity<1>},
    {"even", has_parity<0>},
    {"divisibleby", is_divisible},
    {"upper", is_in_case<Case::kUpper>},
    {"lower", is_in_case<Case::kLower>},
    {"filter", names_filter},
    {"test", names_test},
};

}  // namespace

Predicate find_predicate(std::string_view name) {
  for (const auto& [known, predicate] : kPredicates) {
    if (known == name) return predicate;
  }
  return nullptr;
}

}  // namespace fathom::tokenizer::jinja
