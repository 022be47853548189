// Evaluation of expressions and calls.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "tokenizer/template/builtins/access.h"
#include "tokenizer/template/builtins/methods.h"
#include "tokenizer/template/evaluate/interpreter.h"
#include "tokenizer/template/value/format.h"

namespace fathom::tokenizer::jinja {
namespace {

constexpr std::array<std::pair<std::string_view, Function>, 4> kFunctions = {{
    {"range", Function::kRange},
    {"namespace", Function::kNamespace},
    {"dict", Function::kDict},
    {"raise_exception", Function::kRaiseException},
}};

// As in Jinja's sandbox.
constexpr std::uint64_t kMaxRange = 100'000;

Result<Value> make_range(const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"range", {"start", "stop", "step"}, 1}));
  std::int64_t begin = 0;
  std::int64_t end = TRY(expect_integer(*slots[0], "range"));
  const std::int64_t step = slots[2] ? TRY(expect_integer(*slots[2], "range")) : 1;
  if (slots[1]) begin = std::exchange(end, TRY(expect_integer(*slots[1], "range")));
  if (step == 0) return fail(ErrorCode::kInvalidArgument, "", "range: the step is zero");
  std::uint64_t count = 0;
  // In unsigned arithmetic: the span of two 64-bit integers fits.
  const auto first = static_cast<std::uint64_t>(begin);
  const auto last = static_cast<std::uint64_t>(end);
  const auto stride = static_cast<std::uint64_t>(step);
  if (step > 0 && begin < end) count = (last - first - 1) / stride + 1;
  if (step < 0 && begin > end) count = (first - last - 1) / (std::uint64_t{0} - stride) + 1;
  if (count > kMaxRange) {
    return fail(ErrorCode::kResourceExhausted, "", "range: more than {} numbers", kMaxRange);
  }
  TRY(budget.charge_bytes(count * sizeof(Value)));
  std::vector<Value> numbers;
  numbers.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    numbers.push_back(Value::integer(static_cast<std::int64_t>(first + i * stride)));
  }
  return make_sequence(SequenceType::kList, std::move(numbers), budget);
}

// The entries that dict(...) and namespace(...) start from.
Result<std::vector<std::pair<Value, Value>>> initial_entries(const Arguments& arguments,
                                                             std::string_view callee) {
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1 ||
      (arguments.positional.size() == 1 && !arguments.positional[0].is(Kind::kDict))) {
    return fail(ErrorCode::kInvalidArgument, "", "{} takes named arguments and one dict", callee);
  }
  if (!arguments.positional.empty()) entries = arguments.positional[0].as_dict().entries;
  for (const auto& [name, value] : arguments.named) {
    entries.emplace_back(Value::trusted_string(name), value);
  }
  return entries;
}

}  // namespace

Result<Value> Interpreter::evaluate(const Expression& expression) {
  TRY(enter(expression.line).transform_error([&](base::Error error) {
    return with_line(std::move(error), expression.line);
  }));
  auto value = evaluate_unguarded(expression);
  --depth_;
  if (!value) return with_line(std::move(value).error(), expression.line);
  return value;
}

Result<Value> Interpreter::evaluate_unguarded(const Expression& expression) {
  const auto& operands = expression.operands;
  switch (expression.type) {
    case ExpressionType::kConstant:
      return expression.constant;
    case ExpressionType::kCaptured:
      return make_string(*captured_, budget_);
    case ExpressionType::kName:
      return evaluate_name(expression);
    case ExpressionType::kList:
      return make_sequence(SequenceType::kList, TRY(evaluate_operands(expression, 0)), budget_);
    case ExpressionType::kTuple:
      return make_sequence(SequenceType::kTuple, TRY(evaluate_operands(expression, 0)), budget_);
    case ExpressionType::kDict:
      return evaluate_dict(expression);
    case ExpressionType::kAttribute:
      return attribute(TRY(evaluate(*operands[0])), expression.name, budget_);
    case ExpressionType::kSubscript: {
      const Value object = TRY(evaluate(*operands[0]));
      return subscript(object, TRY(evaluate(*operands[1])), budget_);
    }
    case ExpressionType::kSlice:
      return evaluate_slice(expression);
    case ExpressionType::kCall:
      return evaluate_call(expression);
    case ExpressionType::kFilter: {
      const Value input = TRY(evaluate(*operands[0]));
      return expression.filter(input, TRY(evaluate_arguments(expression)), budget_);
    }
    case ExpressionType::kPredicate: {
      const Value input = TRY(evaluate(*operands[0]));
      return Value::boolean(
          TRY(expression.predicate(input, TRY(evaluate_arguments(expression)), budget_)));
    }
    case ExpressionType::kNegate:
      return negate(TRY(evaluate(*operands[0])));
    case ExpressionType::kPlus:
      // +x fails where -x does, and keeps x otherwise.
      return arithmetic(Operator::kAdd, Value::integer(0), TRY(evaluate(*operands[0])), budget_);
    case ExpressionType::kNot:
      return Value::boolean(!is_truthy(TRY(evaluate(*operands[0]))));
    case ExpressionType::kArithmetic: {
      const Value left = TRY(evaluate(*operands[0]));
      return arithmetic(expression.operators[0], left, TRY(evaluate(*operands[1])), budget_);
    }
    case ExpressionType::kConcatenate:
      return evaluate_concatenation(expression);
    case ExpressionType::kCompare:
      return evaluate_comparison(expression);
    case ExpressionType::kAnd:
    case ExpressionType::kOr: {
      Value left = TRY(evaluate(*operands[0]));
      if (is_truthy(left) == (expression.type == ExpressionType::kOr)) return left;
      return evaluate(*operands[1]);
    }
    case ExpressionType::kConditional:
      return evaluate_conditional(expression);
  }
  return Value();
}

Result<std::vector<Value>> Interpreter::evaluate_operands(const Expression& expression,
                                                          std::size_t first) {
  std::vector<Value> values;
  values.reserve(expression.operands.size() - first);
  for (std::size_t i = first; i < expression.operands.size(); ++i) {
    values.push_back(TRY(evaluate(*expression.operands[i])));
  }
  return values;
}

Result<Arguments> Interpreter::evaluate_arguments(const Expression& expression) {
  Arguments arguments;
  arguments.positional = TRY(evaluate_operands(expression, 1));
  for (const auto& [name, argument] : expression.named) {
    arguments.named.emplace_back(name, TRY(evaluate(*argument)));
  }
  return arguments;
}

Result<Value> Interpreter::evaluate_name(const Expression& expression) {
  if (const Value* value = find_name(expression.name)) return *value;
  for (const auto& [name, function] : kFunctions) {
    if (name == expression.name) return Value::function(function);
  }
  return Value::undefined(fmt::format("'{}'", expression.name));
}

Result<Value> Interpreter::evaluate_dict(const Expression& expression) {
  std::vector<Value> values = TRY(evaluate_operands(expression, 0));
  std::vector<std::pair<Value, Value>> entries;
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    entries.emplace_back(std::move(values[i]), std::move(values[i + 1]));
  }
  return make_dict(std::move(entries), budget_);
}

Result<Value> Interpreter::evaluate_slice(const Expression& expression) {
  const Value object = TRY(evaluate(*expression.operands[0]));
  std::array<std::optional<std::int64_t>, 3> bounds;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    if (!expression.operands[i + 1]) continue;
    const Value bound = TRY(evaluate(*expression.operands[i + 1]));
    if (!bound.is(Kind::kNone)) bounds[i] = TRY(expect_integer(bound, "a slice"));
  }
  return slice(object, {bounds[0], bounds[1], bounds[2]}, budget_);
}

Result<Value> Interpreter::evaluate_concatenation(const Expression& expression) {
  Text result;
  for (const auto& operand : expression.operands) {
    result.append(TRY(to_text(TRY(evaluate(*operand)), budget_)));
    if (result.size_bytes() > budget_.limits().max_value_bytes) break;
  }
  return make_string(std::move(result), budget_);
}

Result<Value> Interpreter::evaluate_comparison(const Expression& expression) {
  Value left = TRY(evaluate(*expression.operands[0]));
  for (std::size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = TRY(evaluate(*expression.operands[i + 1]));
    if (!TRY(compare(expression.operators[i], left, right, budget_))) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::evaluate_conditional(const Expression& expression) {
  if (is_truthy(TRY(evaluate(*expression.operands[1])))) return evaluate(*expression.operands[0]);
  if (expression.operands[2]) return evaluate(*expression.operands[2]);
  return Value::undefined("the value of an 'if' without 'else'");
}

Result<Value> Interpreter::evaluate_call(const Expression& expression) {
  const Value callee = TRY(evaluate(*expression.operands[0]));
  const Arguments arguments = TRY(evaluate_arguments(expression));
  switch (callee.kind()) {
    case Kind::kMacro:
      return call_macro(*callee.as_macro(), arguments);
    case Kind::kFunction:
      return call_function(callee.as_function(), arguments);
    case Kind::kMethod:
      return call_method(callee.as_method(), arguments, budget_);
    case Kind::kUndefined:
      return fail(ErrorCode::kInvalidArgument, "", "{} is undefined; it cannot be called",
                  callee.undefined_what());
    default:
      return fail(ErrorCode::kInvalidArgument, "", "a {} cannot be called", type_name(callee));
  }
}

Result<void> Interpreter::bind_parameters(const Statement& macro, const Arguments& arguments) {
  const auto& parameters = macro.parameters;
  if (arguments.positional.size() > parameters.size()) {
    return fail(ErrorCode::kInvalidArgument, "", "the macro '{}' takes at most {} argument(s)",
                macro.name, parameters.size());
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(parameters.begin(), parameters.end(), name);
    const auto index = static_cast<std::size_t>(found - parameters.begin());
    if (found == parameters.end() || index < arguments.positional.size()) {
      return fail(ErrorCode::kInvalidArgument, "", "the macro '{}' has no free parameter '{}'",
                  macro.name, name);
    }
  }
  const std::size_t num_required = parameters.size() - macro.expressions.size();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& item) { return item.first == parameters[i]; });
    if (i < arguments.positional.size()) {
      bind_name(parameters[i], arguments.positional[i]);
    } else if (named != arguments.named.end()) {
      bind_name(parameters[i], named->second);
    } else if (i >= num_required) {
      bind_name(parameters[i], TRY(evaluate(*macro.expressions[i - num_required])));
    } else {
      bind_name(parameters[i], Value::undefined(fmt::format("'{}'", parameters[i])));
    }
  }
  return {};
}

Result<Value> Interpreter::call_macro(const Statement& macro, const Arguments& arguments) {
  const ScopeGuard scope(*this, 0);
  TRY(bind_parameters(macro, arguments));
  const Text* const captured = std::exchange(captured_, nullptr);
  Text text;
  TRY(capture(macro.blocks[0], text));
  captured_ = captured;
  return Value::string(std::move(text));
}

Result<Value> Interpreter::make_namespace(const Arguments& arguments) {
  const auto entries = TRY(initial_entries(arguments, "namespace"));
  TRY(budget_.charge_bytes(sizeof(Namespace) + entries.size() * 2 * sizeof(Value)));
  auto space = std::make_unique<Namespace>();
  for (const auto& [key, value] : entries) {
    space->attributes[TRY(expect_text(key, "namespace")).bytes()] = value;
  }
  namespaces_.push_back(std::move(space));
  return Value::name_space(namespaces_.back().get());
}

Result<Value> Interpreter::call_function(Function function, const Arguments& arguments) {
  switch (function) {
    case Function::kRange:
      return make_range(arguments, budget_);
    case Function::kNamespace:
      return make_namespace(arguments);
    case Function::kDict:
      return make_dict(TRY(initial_entries(arguments, "dict")), budget_);
    case Function::kRaiseException:
      break;
  }
  const auto slots = TRY(bind(arguments, {"raise_exception", {"message"}, 1}));
  return fail(ErrorCode::kInvalidArgument, "", "{}", TRY(to_text(*slots[0], budget_)).bytes());
}

}  // namespace fathom::tokenizer::jinja
