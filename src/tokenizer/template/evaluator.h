// Runs a parsed template.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "tokenizer/template/ast.h"

namespace fathom::tokenizer {

// What a template may use up before it is stopped with an error.
struct TemplateLimits {
  std::int64_t max_steps = 5'000'000;  // expressions and statements
  int max_depth = 200;                 // nested calls and expressions
  std::size_t max_output_bytes = std::size_t{64} << 20;
  std::size_t max_items = 1'000'000;  // of a list made by the template
};

// The output, from the variables given. Errors say on which line.
base::Result<Text> evaluate_template(const Block& block, const Dict& variables,
                                     const TemplateLimits& limits);

}  // namespace fathom::tokenizer
