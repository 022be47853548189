// Rotary embedding settings of a config.json, in every spelling in use.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "checkpoint/config_fields.h"
#include "spec/model_spec.h"

namespace fathom::checkpoint {

// rope_theta and rope_scaling at the top, or both inside rope_parameters; the kind of scaling as
// "type" or "rope_type". Kinds other than default, linear and llama3 are refused by name, and so
// are fields of other kinds.
base::Result<spec::RopeSpec> read_rope(const ConfigFields& config, std::int64_t max_context_tokens);

}  // namespace fathom::checkpoint
