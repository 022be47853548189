// A ShapeReport as text for people.
#pragma once

#include <string>

#include "bench/shape_rates.h"

namespace fathom::bench {

// What was measured, as the first line of the text says.
struct ShapeTitle {
  std::string model;
  std::int64_t num_layers = 0;
  std::int64_t model_layers = 0;  // the real model's; more than num_layers: the shape was cut
  std::string dtype;
  std::string kv_dtype;
  bool is_batch_invariant = false;  // asked for: Determinism::kBatch
};

// Lines of at most 80 characters, each rate beside its limit.
std::string table_text(const ShapeTitle& title, const ShapeReport& report);

}  // namespace fathom::bench
