// Interpreter: renders a syntax tree over a context.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/template/syntax/ast.h"

namespace fathom::tokenizer::jinja {

using Variables = std::vector<std::pair<std::string, Value>>;

// One rendering. Every value it makes is charged to the budget, and no value refers to another
// in a cycle: namespaces, the only things that change, belong to the interpreter.
class Interpreter {
 public:
  // `where` names the template in errors; it, the budget and the tree must outlive this.
  Interpreter(std::string_view where, Budget& budget, Variables variables);

  // Errors carry "where:line".
  Result<Text> run(const Block& block);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  struct Scope {
    std::vector<std::pair<std::string_view, Value>> names;
    std::size_t parent = 0;
  };

  // Leaves a scope on destruction, in step with the C++ stack.
  class ScopeGuard;

  // Statements (statements.cc).
  Result<Flow> execute(const Block& block);
  Result<Flow> execute(const Statement& statement);
  Result<Flow> execute_unguarded(const Statement& statement);
  Result<Flow> execute_if(const Statement& statement);
  Result<Flow> execute_for(const Statement& statement);
  Result<Flow> execute_set_block(const Statement& statement);
  Result<Flow> execute_with(const Statement& statement);
  Result<Flow> execute_filter_block(const Statement& statement);
  // The items that the loop visits: those that pass its condition.
  Result<std::shared_ptr<const Sequence>> loop_items(const Statement& statement);
  // Runs a block in a scope of its own and keeps its output from the prompt.
  Result<Flow> capture(const Block& block, Text& output);
  Result<void> emit(const Text& text);
  Result<void> assign(const Target& target, Value value);
  void bind_name(std::string_view name, Value value);
  const Value* find_name(std::string_view name) const;

  // Expressions (expressions.cc).
  Result<Value> evaluate(const Expression& expression);
  Result<Value> evaluate_unguarded(const Expression& expression);
  Result<std::vector<Value>> evaluate_operands(const Expression& expression, std::size_t first);
  Result<Arguments> evaluate_arguments(const Expression& expression);
  Result<Value> evaluate_name(const Expression& expression);
  Result<Value> evaluate_dict(const Expression& expression);
  Result<Value> evaluate_slice(const Expression& expression);
  Result<Value> evaluate_concatenation(const Expression& expression);
  Result<Value> evaluate_comparison(const Expression& expression);
  Result<Value> evaluate_conditional(const Expression& expression);
  Result<Value> evaluate_call(const Expression& expression);
  Result<Value> call_macro(const Statement& macro, const Arguments& arguments);
  // Fills the scope of a macro's call with its parameters.
  Result<void> bind_parameters(const Statement& macro, const Arguments& arguments);
  Result<Value> call_function(Function function, const Arguments& arguments);
  Result<Value> make_namespace(const Arguments& arguments);
  Result<void> enter(int line);
  base::Error with_line(base::Error error, int line) const;

  std::string_view where_;
  Budget& budget_;
  Variables variables_;
  std::vector<Scope> scopes_;
  std::vector<std::unique_ptr<Namespace>> namespaces_;
  Text* output_ = nullptr;
  const Text* captured_ = nullptr;  // what ExpressionType::kCaptured stands for
  std::size_t depth_ = 0;
};

class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, std::size_t parent) : interpreter_(interpreter) {
    interpreter_.scopes_.push_back({{}, parent});
  }
  // A scope inside the current one.
  explicit ScopeGuard(Interpreter& interpreter)
      : ScopeGuard(interpreter, interpreter.scopes_.size() - 1) {}
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;
  ~ScopeGuard() { interpreter_.scopes_.pop_back(); }

 private:
  Interpreter& interpreter_;
};

}  // namespace fathom::tokenizer::jinja
