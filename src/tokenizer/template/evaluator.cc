// A walk over the syntax tree with counted steps.
#include "tokenizer/template/evaluator.h"

#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/template/functions.h"
#include "tokenizer/template/nesting.h"
#include "tokenizer/template/operators.h"

namespace fathom::tokenizer {
namespace {

using base::Error;
using base::Result;
using ExpressionKind = Expression::Kind;
using StatementKind = Statement::Kind;

// How a block ended.
enum class Flow { kNormal, kBreak, kContinue };

class Evaluator {
 public:
  explicit Evaluator(const TemplateLimits& limits)
      : limits_(limits), function_limits_{limits.max_output_bytes, limits.max_items} {}

  Result<Text> run(const Block& block, const Dict& variables) {
    scopes_ = {variables, {}};
    TRY(run_block(block));
    return std::move(output_);
  }

 private:
  Error at_line(int line, Error error) const {
    if (error.where.empty()) error.where = fmt::format("chat template, line {}", line);
    return error;
  }
  Error bad(int line, std::string_view problem) const {
    return at_line(line, template_error(std::string(problem)));
  }

  Result<void> count_step(int line) {
    if (++steps_ > limits_.max_steps) return bad(line, "it takes too many steps");
    if (depth_ > limits_.max_depth) return bad(line, "it is nested too deeply");
    return {};
  }

  Result<Flow> run_block(const Block& block) {
    for (const auto& statement : block) {
      const Flow flow = TRY(run_statement(*statement));
      if (flow != Flow::kNormal) return flow;
    }
    return Flow::kNormal;
  }

  Result<void> write(int line, const Text& text) {
    if (text.bytes.size() > limits_.max_output_bytes - output_.bytes.size()) {
      return bad(line, "its output is too long");
    }
    output_.append(text);
    return {};
  }

  Result<Flow> run_statement(const Statement& statement) {
    const Nesting nesting(depth_);
    TRY(count_step(statement.line));
    switch (statement.kind) {
      case StatementKind::kText:
        TRY(write(statement.line, Text(statement.text)));
        return Flow::kNormal;
      case StatementKind::kPrint: {
        Text text;
        print(TRY(evaluate(*statement.expression)), false, text);
        TRY(write(statement.line, text));
        return Flow::kNormal;
      }
      case StatementKind::kIf:
        return run_if(statement);
      case StatementKind::kFor:
        return run_for(statement);
      case StatementKind::kSet:
        TRY(run_set(statement));
        return Flow::kNormal;
      case StatementKind::kSetField:
        TRY(run_set_field(statement));
        return Flow::kNormal;
      case StatementKind::kMacro:
        assign(statement.text, {std::make_shared<const Macro>(Macro{&statement})});
        return Flow::kNormal;
      case StatementKind::kBreak:
        return Flow::kBreak;
      case StatementKind::kContinue:
        return Flow::kContinue;
      case StatementKind::kGroup:
        return run_block(statement.body);
    }
    return Flow::kNormal;
  }

  Result<Flow> run_if(const Statement& statement) {
    for (const auto& [condition, body] : statement.branches) {
      if (is_true(TRY(evaluate(*condition)))) return run_block(body);
    }
    return run_block(statement.other);
  }

  Result<Flow> run_for(const Statement& statement) {
    List items = TRY(located(statement.line, items_of(TRY(evaluate(*statement.expression)))));
    if (statement.condition) {
      List kept;
      for (Value& item : items) {
        scopes_.emplace_back();
        auto condition = bind_targets(statement, item);
        auto value = condition ? evaluate(*statement.condition)
                               : Result<Value>(std::move(condition).error());
        scopes_.pop_back();
        if (is_true(TRY(std::move(value)))) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    if (items.empty()) return run_block(statement.other);
    for (std::size_t i = 0; i < items.size(); ++i) {
      scopes_.emplace_back();
      auto flow = run_iteration(statement, items, i);
      scopes_.pop_back();
      if (TRY(std::move(flow)) == Flow::kBreak) break;
    }
    return Flow::kNormal;
  }

  Result<Flow> run_iteration(const Statement& statement, const List& items, std::size_t i) {
    TRY(count_step(statement.line));
    TRY(bind_targets(statement, items[i]));
    assign("loop", loop_variable(items, i));
    return run_block(statement.body);
  }

  Result<void> bind_targets(const Statement& statement, const Value& item) {
    if (statement.targets.size() == 1) {
      assign(statement.targets[0], item);
      return {};
    }
    const List* parts = item.list();
    if (parts == nullptr || parts->size() != statement.targets.size()) {
      return bad(statement.line, "the number of names and of values differ");
    }
    for (std::size_t i = 0; i < parts->size(); ++i) assign(statement.targets[i], (*parts)[i]);
    return {};
  }

  Result<void> run_set(const Statement& statement) {
    if (statement.expression) {
      return bind_targets(statement, TRY(evaluate(*statement.expression)));
    }
    assign(statement.targets[0], Value { TRY(capture(statement.body)) });
    return {};
  }

  // The block's output as a value.
  Result<Text> capture(const Block& body) {
    Text outer = std::exchange(output_, Text());
    scopes_.emplace_back();
    auto flow = run_block(body);
    scopes_.pop_back();
    std::swap(output_, outer);
    TRY(std::move(flow));
    return outer;
  }

  Result<void> run_set_field(const Statement& statement) {
    const Value* target = lookup(statement.text);
    if (target == nullptr || !target->is_namespace) {
      return bad(statement.line, fmt::format("'{}' is not a namespace", statement.text));
    }
    const std::shared_ptr<Dict> entries = *target->get<std::shared_ptr<Dict>>();
    Value value = TRY(evaluate(*statement.expression));
    if (holds_namespace(value)) return bad(statement.line, "a namespace inside a namespace");
    const std::string& name = statement.targets[0];
    const auto found = std::ranges::find(*entries, name, &Dict::value_type::first);
    if (found != entries->end()) {
      found->second = std::move(value);
    } else {
      entries->emplace_back(name, std::move(value));
    }
    return {};
  }

  void assign(const std::string& name, Value value) {
    Dict& scope = scopes_.back();
    const auto found = std::ranges::find(scope, name, &Dict::value_type::first);
    if (found != scope.end()) {
      found->second = std::move(value);
    } else {
      scope.emplace_back(name, std::move(value));
    }
  }

  const Value* lookup(std::string_view name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const Value* found = find_entry(*scope, name)) return found;
    }
    return nullptr;
  }

  template <typename T>
  Result<T> located(int line, Result<T> result) const {
    if (result) return result;
    return at_line(line, std::move(result).error());
  }

  Result<Value> evaluate(const Expression& node) {
    const Nesting nesting(depth_);
    TRY(count_step(node.line));
    switch (node.kind) {
      case ExpressionKind::kLiteral:
        return node.value;
      case ExpressionKind::kName:
        return evaluate_name(node.text);
      case ExpressionKind::kList:
      case ExpressionKind::kTuple: {
        List items;
        for (const auto& child : node.children) items.push_back(TRY(evaluate(*child)));
        Value list = make_list(std::move(items));
        list.is_tuple = node.kind == ExpressionKind::kTuple;
        return list;
      }
      case ExpressionKind::kDict:
        return evaluate_dict(node);
      case ExpressionKind::kAttribute:
        return evaluate_attribute(node);
      case ExpressionKind::kIndex:
        return located(node.line, subscript(TRY(evaluate(*node.children[0])),
                                            TRY(evaluate(*node.children[1]))));
      case ExpressionKind::kSlice:
        return evaluate_slice(node);
      case ExpressionKind::kCall:
        return evaluate_call(node);
      case ExpressionKind::kFilter:
        return evaluate_filter(node);
      case ExpressionKind::kTest: {
        const Value value = TRY(evaluate(*node.children[0]));
        return Value {
          TRY(located(node.line, apply_test(node.text, value, TRY(arguments_of(node)))))
        };
      }
      case ExpressionKind::kNot:
        return Value { !is_true(TRY(evaluate(*node.children[0]))) };
      case ExpressionKind::kNegate:
      case ExpressionKind::kPlus:
        return located(node.line, negate(TRY(evaluate(*node.children[0])),
                                         node.kind == ExpressionKind::kNegate));
      case ExpressionKind::kBinary:
        return located(node.line, binary(node.text, TRY(evaluate(*node.children[0])),
                                         TRY(evaluate(*node.children[1])), function_limits_));
      case ExpressionKind::kAnd:
      case ExpressionKind::kOr: {
        Value left = TRY(evaluate(*node.children[0]));
        if (is_true(left) == (node.kind == ExpressionKind::kOr)) return left;
        return evaluate(*node.children[1]);
      }
      case ExpressionKind::kConditional:
        if (is_true(TRY(evaluate(*node.children[1])))) return evaluate(*node.children[0]);
        if (node.children.size() < 3) return Value{Undefined{"else"}};
        return evaluate(*node.children[2]);
    }
    return Value{};
  }

  Value evaluate_name(const std::string& name) const {
    if (const Value* found = lookup(name)) return *found;
    if (is_known_builtin(name)) return {Builtin{name, nullptr}};
    return {Undefined{name}};
  }

  Result<Value> evaluate_dict(const Expression& node) {
    Dict entries;
    for (std::size_t i = 0; i < node.children.size(); i += 2) {
      const Value key = TRY(evaluate(*node.children[i]));
      if (key.text() == nullptr) return bad(node.line, "a key is not a string");
      Value value = TRY(evaluate(*node.children[i + 1]));
      const auto found = std::ranges::find(entries, key.text()->bytes, &Dict::value_type::first);
      if (found != entries.end()) {
        found->second = std::move(value);
      } else {
        entries.emplace_back(key.text()->bytes, std::move(value));
      }
    }
    return make_dict(std::move(entries));
  }

  Result<Value> evaluate_attribute(const Expression& node) {
    Value object = TRY(evaluate(*node.children[0]));
    if (object.is_undefined()) {
      return bad(node.line, fmt::format("'{}' is undefined", object.get<Undefined>()->name));
    }
    // Methods come first, as attributes do in Python; entries by subscript cannot be hidden.
    if (has_method(object, node.text) && !object.is_namespace) {
      return Value{Builtin{node.text, std::make_shared<const Value>(std::move(object))}};
    }
    if (const Dict* dict = object.dict()) {
      if (const Value* found = find_entry(*dict, node.text)) return *found;
    }
    return Value{Undefined{node.text}};
  }

  Result<Value> evaluate_slice(const Expression& node) {
    Value parts[4];  // the object, then begin, end and step
    for (std::size_t i = 0; i < 4; ++i) {
      parts[i] = node.children[i] ? TRY(evaluate(*node.children[i])) : Value{None{}};
    }
    return located(node.line, slice(parts[0], parts[1], parts[2], parts[3]));
  }

  Result<Arguments> arguments_of(const Expression& node) {
    Arguments arguments;
    for (const Argument& argument : node.arguments) {
      Value value = TRY(evaluate(*argument.value));
      if (argument.name.empty()) {
        if (!arguments.named.empty()) {
          return bad(node.line, "an argument by position after one by name");
        }
        arguments.positional.push_back(std::move(value));
      } else {
        arguments.named.emplace_back(argument.name, std::move(value));
      }
    }
    return arguments;
  }

  Result<Value> evaluate_filter(const Expression& node) {
    const Value value = TRY(evaluate(*node.children[0]));
    const Arguments arguments = TRY(arguments_of(node));
    return located(node.line, apply_filter(node.text, value, arguments, function_limits_));
  }

  Result<Value> evaluate_call(const Expression& node) {
    const Value callee = TRY(evaluate(*node.children[0]));
    const Arguments arguments = TRY(arguments_of(node));
    if (const auto* macro = callee.get<std::shared_ptr<const Macro>>()) {
      return call_macro(node, *(*macro)->statement, arguments);
    }
    const auto* builtin = callee.get<Builtin>();
    if (builtin == nullptr) {
      if (callee.is_undefined()) {
        return bad(node.line, fmt::format("'{}' is undefined", callee.get<Undefined>()->name));
      }
      return bad(node.line, fmt::format("{} cannot be called", kind_of(callee)));
    }
    if (builtin->self) {
      return located(node.line,
                     call_method(builtin->name, *builtin->self, arguments, function_limits_));
    }
    return located(node.line, call_builtin(builtin->name, arguments, function_limits_));
  }

  Result<Value> call_macro(const Expression& node, const Statement& macro,
                           const Arguments& arguments) {
    if (arguments.positional.size() > macro.parameters.size()) {
      return bad(node.line, "the macro takes fewer arguments");
    }
    Dict scope;
    for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
      const Parameter& parameter = macro.parameters[i];
      const Value* given = arguments.find(i, parameter.name);
      Value value{Undefined{parameter.name}};
      if (given != nullptr) {
        value = *given;
      } else if (parameter.fallback) {
        value = TRY(evaluate(*parameter.fallback));
      }
      scope.emplace_back(parameter.name, std::move(value));
    }
    // A macro sees the template's variables, not its caller's.
    std::vector<Dict> outer = std::exchange(scopes_, {scopes_[0], scopes_[1], std::move(scope)});
    auto text = capture(macro.body);
    scopes_ = std::move(outer);
    return Value { TRY(std::move(text)) };
  }

  const TemplateLimits& limits_;
  FunctionLimits function_limits_;
  std::vector<Dict> scopes_;  // the caller's variables, the template's, then inner ones
  Text output_;
  std::int64_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<Text> evaluate_template(const Block& block, const Dict& variables,
                               const TemplateLimits& limits) {
  return Evaluator(limits).run(block, variables);
}

}  // namespace fathom::tokenizer
