// The shapes of the models that Fathom knows by name: what their config.json must say.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "spec/model_spec.h"

namespace fathom::spec {

// "deepseek-llm-7b" (also Math 7B), "deepseek-coder-6.7b", "deepseek-r1-distill-qwen-7b".
std::span<const std::string_view> known_shapes();

// The shape that a name of known_shapes() stands for, without end tokens, which differ among the
// models of one shape; nothing for any other name.
std::optional<ModelSpec> known_shape(std::string_view name);

}  // namespace fathom::spec
