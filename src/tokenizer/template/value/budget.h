// Budget: counts what a rendering costs and refuses what goes beyond its limits.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "tokenizer/template/limits.h"

namespace fathom::tokenizer::jinja {

// One rendering's; not shared between threads.
class Budget {
 public:
  explicit Budget(const TemplateLimits& limits) : limits_(limits) {}

  const TemplateLimits& limits() const { return limits_; }

  base::Result<void> charge_steps(std::size_t steps) {
    if (steps > limits_.max_steps - steps_) {
      return base::fail(base::ErrorCode::kResourceExhausted, "",
                        "the template takes more than {} steps", limits_.max_steps);
    }
    steps_ += steps;
    return {};
  }

  // Before a value of so many bytes is built.
  base::Result<void> charge_bytes(std::size_t bytes) {
    if (bytes > limits_.max_value_bytes) {
      return base::fail(base::ErrorCode::kResourceExhausted, "",
                        "the template builds a value of more than {} bytes",
                        limits_.max_value_bytes);
    }
    if (bytes > limits_.max_built_bytes - built_bytes_) {
      return base::fail(base::ErrorCode::kResourceExhausted, "",
                        "the template builds more than {} bytes in all", limits_.max_built_bytes);
    }
    built_bytes_ += bytes;
    return {};
  }

  // Before so many bytes are read through.
  base::Result<void> charge_walk(std::size_t bytes) { return charge_steps(1 + bytes / 64); }

 private:
  TemplateLimits limits_;
  std::size_t steps_ = 0;
  std::size_t built_bytes_ = 0;
};

}  // namespace fathom::tokenizer::jinja
