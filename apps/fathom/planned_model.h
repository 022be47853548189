// The model that a plan is for: its numbers alone, no weights.
#pragma once

#include <string>

#include "base/result.h"
#include "spec/model_spec.h"

namespace fathom::app {

struct PlannedModel {
  std::string name;
  spec::ModelSpec spec;
  std::string served_as;  // what `serve` takes: a folder's absolute path, or a name of the hub
  bool is_folder = false;
};

// A folder with a config.json, a known shape ("deepseek-llm-7b"), a known model's name of the hub,
// or the name of a pulled model.
base::Result<PlannedModel> find_planned_model(const std::string& name_or_folder);

}  // namespace fathom::app
