// config.json of a Hugging Face folder, as a ModelSpec.
//
// A field that would change the output and is not implemented is refused by its name; so is a
// field that nobody knows if its name speaks of what a decoder computes (norms, scales, experts,
// windows, ...) and it is not off. Other unknown fields are reported as warnings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "spec/model_spec.h"

namespace fathom::checkpoint {

struct ModelConfig {
  spec::ModelSpec spec;
  std::string name_or_path;           // "_name_or_path", or empty
  std::vector<std::string> warnings;  // one line each
};

// `generation_config_json` may be empty; its end-of-sequence tokens are added to the config's.
base::Result<ModelConfig> parse_model_config(std::string_view config_json,
                                             std::string_view generation_config_json,
                                             std::string_view where);

}  // namespace fathom::checkpoint
