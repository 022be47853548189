// A model by name, without its weights: what it is in numbers, and where its files lie, if at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "spec/model_spec.h"

namespace fathom::app {

struct NamedModel {
  std::string name;  // as the user wrote it
  spec::ModelSpec spec;
  std::filesystem::path folder;  // empty: only its shape is known
  std::vector<std::filesystem::path> weight_files;
  std::int64_t files_bytes = 0;  // of these
};

// A known shape ("deepseek-llm-7b"), a folder with a config.json, or a pulled model's name.
base::Result<NamedModel> find_model(const std::string& name);

}  // namespace fathom::app
