// Execution of statements.
#include <fmt/format.h>

#include <utility>

#include "tokenizer/template/evaluate/interpreter.h"
#include "tokenizer/template/value/format.h"

namespace fathom::tokenizer::jinja {

Interpreter::Interpreter(std::string_view where, Budget& budget, Variables variables)
    : where_(where), budget_(budget), variables_(std::move(variables)) {
  scopes_.push_back({});
}

Result<Text> Interpreter::run(const Block& block) {
  Text output;
  output_ = &output;
  TRY(execute(block));
  return output;
}

base::Error Interpreter::with_line(base::Error error, int line) const {
  if (error.where.empty()) error.where = fmt::format("{}:{}", where_, line);
  return error;
}

Result<void> Interpreter::enter(int line) {
  if (depth_ >= budget_.limits().max_depth) {
    return with_line(
        fail(ErrorCode::kResourceExhausted, "", "the template's evaluation nests deeper than {}",
             budget_.limits().max_depth),
        line);
  }
  ++depth_;
  return budget_.charge_steps(1);
}

const Value* Interpreter::find_name(std::string_view name) const {
  for (std::size_t at = scopes_.size() - 1;; at = scopes_[at].parent) {
    for (const auto& [known, value] : scopes_[at].names) {
      if (known == name) return &value;
    }
    if (at == 0) break;
  }
  for (const auto& [known, value] : variables_) {
    if (known == name) return &value;
  }
  return nullptr;
}

void Interpreter::bind_name(std::string_view name, Value value) {
  for (auto& [known, old] : scopes_.back().names) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  scopes_.back().names.emplace_back(name, std::move(value));
}

Result<void> Interpreter::assign(const Target& target, Value value) {
  if (target.is_tuple) {
    const auto items = TRY(iterate(value, budget_));
    if (items->items.size() != target.parts.size()) {
      return fail(ErrorCode::kInvalidArgument, "", "{} values cannot be unpacked into {} names",
                  items->items.size(), target.parts.size());
    }
    for (std::size_t i = 0; i < target.parts.size(); ++i) {
      TRY(assign(target.parts[i], items->items[i]));
    }
    return {};
  }
  if (target.attribute.empty()) {
    bind_name(target.name, std::move(value));
    return {};
  }
  const Value* space = find_name(target.name);
  if (space == nullptr || !space->is(Kind::kNamespace)) {
    return fail(ErrorCode::kInvalidArgument, "",
                "'{}' is no namespace; only a namespace's attributes can be set", target.name);
  }
  TRY(budget_.charge_bytes(target.attribute.size() + sizeof(Value)));
  space->as_namespace()->attributes[target.attribute] = std::move(value);
  return {};
}

Result<void> Interpreter::emit(const Text& text) {
  const std::size_t limit = budget_.limits().max_output_bytes;
  if (text.size_bytes() > limit - std::min(limit, output_->size_bytes())) {
    return fail(ErrorCode::kResourceExhausted, "", "the template gives more than {} bytes", limit);
  }
  TRY(budget_.charge_bytes(text.held_bytes()));
  output_->append(text);
  return {};
}

Result<Interpreter::Flow> Interpreter::execute(const Block& block) {
  for (const Statement& statement : block) {
    const Flow flow = TRY(execute(statement));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute(const Statement& statement) {
  TRY(enter(statement.line).transform_error([&](base::Error error) {
    return with_line(std::move(error), statement.line);
  }));
  auto flow = execute_unguarded(statement);
  --depth_;
  if (!flow) return with_line(std::move(flow).error(), statement.line);
  return flow;
}

Result<Interpreter::Flow> Interpreter::execute_unguarded(const Statement& statement) {
  switch (statement.type) {
    case StatementType::kText:
      TRY(emit(statement.text));
      return Flow::kNext;
    case StatementType::kPrint: {
      const Value value = TRY(evaluate(*statement.expressions[0]));
      TRY(value.is(Kind::kString) ? emit(value.as_text()) : emit(TRY(to_text(value, budget_))));
      return Flow::kNext;
    }
    case StatementType::kIf:
      return execute_if(statement);
    case StatementType::kFor:
      return execute_for(statement);
    case StatementType::kSet:
      TRY(assign(statement.targets[0], TRY(evaluate(*statement.expressions[0]))));
      return Flow::kNext;
    case StatementType::kSetBlock:
      return execute_set_block(statement);
    case StatementType::kMacro:
      bind_name(statement.name, Value::macro(&statement));
      return Flow::kNext;
    case StatementType::kWith:
      return execute_with(statement);
    case StatementType::kScope: {
      const ScopeGuard scope(*this);
      return execute(statement.blocks[0]);
    }
    case StatementType::kFilterBlock:
      return execute_filter_block(statement);
    case StatementType::kBreak:
      return Flow::kBreak;
    case StatementType::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute_if(const Statement& statement) {
  for (std::size_t i = 0; i < statement.expressions.size(); ++i) {
    if (is_truthy(TRY(evaluate(*statement.expressions[i])))) return execute(statement.blocks[i]);
  }
  if (statement.blocks.size() > statement.expressions.size()) {
    return execute(statement.blocks.back());
  }
  return Flow::kNext;
}

Result<std::shared_ptr<const Sequence>> Interpreter::loop_items(const Statement& statement) {
  auto all = TRY(iterate(TRY(evaluate(*statement.expressions[0])), budget_));
  if (statement.expressions.size() < 2) return all;
  std::vector<Value> kept;
  for (const Value& item : all->items) {
    const ScopeGuard scope(*this);
    TRY(assign(statement.targets[0], item));
    if (is_truthy(TRY(evaluate(*statement.expressions[1])))) kept.push_back(item);
  }
  return TRY(make_sequence(SequenceType::kList, std::move(kept), budget_))
  .shared_sequence();
}

Result<Interpreter::Flow> Interpreter::execute_for(const Statement& statement) {
  auto loop = std::make_shared<Loop>();
  loop->items = TRY(loop_items(statement));
  // A body left early does not count, as in Jinja.
  bool has_finished_body = false;
  for (std::size_t i = 0; i < loop->items->items.size(); ++i) {
    TRY(budget_.charge_steps(1));
    loop->index = i;
    const ScopeGuard scope(*this);
    bind_name("loop", Value::loop(loop));
    TRY(assign(statement.targets[0], loop->items->items[i]));
    const Flow flow = TRY(execute(statement.blocks[0]));
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNext) has_finished_body = true;
  }
  if (has_finished_body || statement.blocks.size() < 2) return Flow::kNext;
  const ScopeGuard scope(*this);
  return execute(statement.blocks[1]);
}

Result<Interpreter::Flow> Interpreter::capture(const Block& block, Text& output) {
  const ScopeGuard scope(*this);
  Text* const outer = std::exchange(output_, &output);
  auto flow = execute(block);
  output_ = outer;
  return flow;
}

Result<Interpreter::Flow> Interpreter::execute_set_block(const Statement& statement) {
  Text text;
  const Flow flow = TRY(capture(statement.blocks[0], text));
  if (flow != Flow::kNext) return flow;
  if (statement.expressions.empty()) {
    TRY(assign(statement.targets[0], Value::string(std::move(text))));
    return Flow::kNext;
  }
  const Text* const outer = std::exchange(captured_, &text);
  auto value = evaluate(*statement.expressions[0]);
  captured_ = outer;
  TRY(assign(statement.targets[0], TRY(std::move(value))));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute_filter_block(const Statement& statement) {
  Text text;
  const Flow flow = TRY(capture(statement.blocks[0], text));
  if (flow != Flow::kNext) return flow;
  const Text* const outer = std::exchange(captured_, &text);
  auto value = evaluate(*statement.expressions[0]);
  captured_ = outer;
  TRY(emit(TRY(to_text(TRY(std::move(value)), budget_))));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute_with(const Statement& statement) {
  // All values are computed before any name is set.
  std::vector<Value> values;
  for (const auto& expression : statement.expressions) {
    values.push_back(TRY(evaluate(*expression)));
  }
  const ScopeGuard scope(*this);
  for (std::size_t i = 0; i < values.size(); ++i) {
    TRY(assign(statement.targets[i], std::move(values[i])));
  }
  return execute(statement.blocks[0]);
}

}  // namespace fathom::tokenizer::jinja
