// The syntax tree of a template.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/template/value.h"

namespace fathom::tokenizer {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct Argument {
  std::string name;  // empty: by position
  ExpressionPtr value;
};

struct Expression {
  enum class Kind {
    kLiteral,    // value
    kName,       // text
    kList,       // children
    kTuple,      // children
    kDict,       // children: key, value, key, value ...
    kAttribute,  // children[0] . text
    kIndex,      // children[0] [ children[1] ]
    kSlice,      // children[0] [ a : b : c ]; absent parts are null
    kCall,       // children[0] ( arguments )
    kFilter,     // children[0] | text ( arguments )
    kTest,       // children[0] is text ( arguments )
    kNot,
    kNegate,
    kPlus,
    kBinary,  // children[0] text children[1]
    kAnd,
    kOr,
    kConditional,  // children[0] if children[1] else children[2], which may be null
  };
  Kind kind;
  int line = 0;
  Value value;
  std::string text;
  std::vector<ExpressionPtr> children;
  std::vector<Argument> arguments;
};

struct Statement;
using Block = std::vector<std::unique_ptr<const Statement>>;

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // may be null
};

struct Statement {
  enum class Kind {
    kText,      // text
    kPrint,     // expression
    kIf,        // branches; other
    kFor,       // targets in expression [if condition]: body; other
    kSet,       // targets = expression; or targets[0] = body
    kSetField,  // text . targets[0] = expression
    kMacro,     // text ( parameters ): body
    kBreak,
    kContinue,
    kGroup,  // body, in no scope of its own
  };
  Kind kind;
  int line = 0;
  std::string text;
  ExpressionPtr expression;
  ExpressionPtr condition;
  std::vector<std::string> targets;
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block body;
  Block other;
  std::vector<Parameter> parameters;
};

// A macro at run time: its statement, which the template owns.
struct Macro {
  const Statement* statement;
};

}  // namespace fathom::tokenizer
