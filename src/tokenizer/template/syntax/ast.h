// The syntax tree of a template. Immutable once parsed.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/template/builtins/filters.h"
#include "tokenizer/template/builtins/predicates.h"
#include "tokenizer/template/value/operators.h"
#include "tokenizer/template/value/value.h"

namespace fathom::tokenizer::jinja {

enum class ExpressionType {
  kConstant,     // constant
  kName,         // name
  kList,         // operands
  kTuple,        // operands
  kDict,         // operands: key, value, key, value
  kAttribute,    // operands[0].name
  kSubscript,    // operands[0][operands[1]]
  kSlice,        // operands[0][operands[1]:operands[2]:operands[3]]; 1 to 3 may be null
  kCall,         // operands[0](operands[1...], named)
  kFilter,       // operands[0] | name(operands[1...], named); filter
  kPredicate,    // operands[0] is name(operands[1...], named); predicate
  kNegate,       // -operands[0]
  kPlus,         // +operands[0]
  kNot,          // not operands[0]
  kArithmetic,   // operands[0] operators[0] operands[1]
  kConcatenate,  // operands joined as text by ~
  kCompare,      // operands[0] operators[0] operands[1] operators[1] operands[2] ...
  kAnd,          // operands[0] and operands[1]
  kOr,           // operands[0] or operands[1]
  kConditional,  // operands[0] if operands[1] else operands[2]; 2 may be null
  kCaptured      // the text of the block that a filter is applied to
};

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct Expression {
  ExpressionType type = ExpressionType::kConstant;
  int line = 0;
  std::size_t depth = 1;
  Value constant;
  std::string name;
  std::vector<ExpressionPtr> operands;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  std::vector<Operator> operators;
  Filter filter = nullptr;
  Predicate predicate = nullptr;
};

// What an assignment writes to: a name, a namespace's attribute, or a tuple of targets.
struct Target {
  std::string name;
  std::string attribute;  // empty: the name itself
  bool is_tuple = false;
  std::vector<Target> parts;
};

enum class StatementType {
  kText,         // text
  kPrint,        // expressions[0]
  kIf,           // expressions[i] guards blocks[i]; one block more: else
  kFor,          // targets[0] in expressions[0] if expressions[1]; blocks: body, else
  kSet,          // targets[0] = expressions[0]
  kSetBlock,     // targets[0] = blocks[0], through expressions[0] if there
  kMacro,        // name(parameters); expressions: defaults of the last ones; blocks[0]
  kWith,         // targets[i] = expressions[i]; blocks[0]
  kScope,        // blocks[0] with names of its own
  kFilterBlock,  // blocks[0] through expressions[0]
  kBreak,
  kContinue
};

struct Statement;
using Block = std::vector<Statement>;

struct Statement {
  StatementType type = StatementType::kText;
  int line = 0;
  Text text;
  std::string name;
  std::vector<std::string> parameters;
  std::vector<Target> targets;
  std::vector<ExpressionPtr> expressions;
  std::vector<Block> blocks;
};

}  // namespace fathom::tokenizer::jinja
