// TemplateLimits: what one template may cost before it is refused.
#pragma once

#include <cstddef>

namespace fathom::tokenizer {

struct TemplateLimits {
  std::size_t max_source_bytes = std::size_t{256} << 10;
  // Nesting of the syntax tree, of running evaluations (macro calls included) and of values.
  std::size_t max_depth = 200;
  // Nodes evaluated, plus one for each item or 64 bytes that an operation walks over.
  std::size_t max_steps = 2'000'000;
  std::size_t max_output_bytes = std::size_t{16} << 20;
  // One string, and one list (counted at the size of its items).
  std::size_t max_value_bytes = std::size_t{16} << 20;
  // All strings and lists built in one rendering, freed or not: bounds memory and time.
  std::size_t max_built_bytes = std::size_t{256} << 20;
};

}  // namespace fathom::tokenizer
