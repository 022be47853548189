// The identity gate: a folder that claims to be a known model must be that model.
//
// Copies of these models with a lost rope_scaling, another model's theta or a wrong tokenizer are
// about; they load without complaint elsewhere and answer nonsense.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "checkpoint/model_config.h"

namespace fathom::checkpoint {

// The folder's own tokenizer and chat template, asked a few questions; an empty function skips
// them.
struct IdentityProbe {
  // Ids of a text, with the special tokens that the tokenizer puts around it.
  std::function<base::Result<std::vector<std::int32_t>>(std::string_view text)> encode;
  // The prompt for one user message, with generation prompt.
  std::function<base::Result<std::string>(std::string_view user)> render;
};

// Which known model a folder is taken for: by the name it goes by ("deepseek-coder-6.7b" in it),
// by its configuration's _name_or_path, or by dimensions that only one model has. Empty: none.
std::string claimed_identity(const ModelConfig& config, std::string_view name);

// kFailedPrecondition lists every difference from the claimed model. No claim: nothing to check.
base::Result<void> check_identity(const ModelConfig& config, std::string_view name,
                                  const IdentityProbe& probe);

}  // namespace fathom::checkpoint
