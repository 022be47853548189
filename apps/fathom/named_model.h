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
  std::string served_as;   // what `serve` takes: a folder's absolute path, or a name of the hub
  bool is_folder = false;  // the name is one's path
  std::filesystem::path folder;  // also of a pulled model; empty: only its shape is known
  std::vector<std::filesystem::path> weight_files;
  std::int64_t files_bytes = 0;  // of these
};

// A folder with a config.json, the name of a pulled model, a known shape ("deepseek-llm-7b"), or
// the hub's name of a model that has one.
base::Result<NamedModel> find_model(const std::string& name_or_folder);

}  // namespace fathom::app
