// ModelFolder: a Hugging Face folder: config.json and safetensors, single or sharded.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "checkpoint/model_config.h"
#include "checkpoint/safetensors.h"
#include "tensor/tensor.h"

namespace fathom::checkpoint {

// Immutable: any thread may read. Its views live as long as it does.
class ModelFolder {
 public:
  // Reads and checks the configuration and every file's header; maps the weights. An index must
  // name files of this folder only, and exactly the tensors that they hold.
  static base::Result<ModelFolder> open(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  const spec::ModelSpec& spec() const { return config_.spec; }
  bool has_tensor(std::string_view name) const { return tensors_.contains(std::string(name)); }
  // In alphabetical order.
  std::vector<std::string> tensor_names() const;
  // The tensor's elements where the file has them; not necessarily aligned. An error names the
  // file, the tensor, and what was expected and found.
  base::Result<tensor::View> tensor(const std::string& name, const tensor::Shape& shape) const;
  // kDataLoss if a file changed its length since it was opened.
  base::Result<void> files_unchanged() const;

 private:
  struct Place {
    std::size_t file;
    const TensorInfo* info;
  };
  base::Result<std::vector<std::string>> file_names();
  base::Result<void> place_tensors();

  std::filesystem::path path_;
  ModelConfig config_;
  std::vector<SafetensorsFile> files_;
  std::unordered_map<std::string, Place> tensors_;
  std::unordered_map<std::string, std::string> index_;  // tensor -> file name; empty: no index
};

}  // namespace fathom::checkpoint
