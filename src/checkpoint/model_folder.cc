// Opens a folder's files and finds tensors in them.
#include "checkpoint/model_folder.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/json.h"

namespace fathom::checkpoint {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";
constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{4} << 20;
constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxFiles = 10'000;

// A name that cannot lead out of its folder.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

Result<ModelFolder> ModelFolder::open(const std::filesystem::path& folder) {
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code)) {
    return fail(ErrorCode::kNotFound, folder.native(), "no such folder");
  }
  ModelFolder result;
  result.path_ = folder;
  const std::string config = TRY(base::read_file(folder / "config.json", kMaxConfigBytes));
  std::string generation_config;
  if (std::filesystem::exists(folder / "generation_config.json", code)) {
    generation_config = TRY(base::read_file(folder / "generation_config.json", kMaxConfigBytes));
  }
  result.config_ = TRY(parse_model_config(config, generation_config, folder.native()));
  for (const std::string& name : TRY(result.file_names())) {
    result.files_.push_back(TRY(SafetensorsFile::open(folder / name)));
  }
  TRY(result.place_tensors());
  return result;
}

// The files that the index names, or the single file.
Result<std::vector<std::string>> ModelFolder::file_names() {
  std::error_code code;
  const std::filesystem::path index_path = path_ / kIndexName;
  if (!std::filesystem::exists(index_path, code)) {
    if (std::filesystem::exists(path_ / kSingleName, code))
      return std::vector{std::string(kSingleName)};
    return fail(ErrorCode::kNotFound, path_.native(),
                "neither {} nor {}: no weights in safetensors format", kSingleName, kIndexName);
  }
  const std::string text = TRY(base::read_file(index_path, kMaxIndexBytes));
  const json::value index =
      TRY(base::parse_json(text, index_path.native(), {.max_bytes = kMaxIndexBytes}));
  const json::value* map =
      index.is_object() ? index.get_object().if_contains("weight_map") : nullptr;
  if (map == nullptr || !map->is_object()) {
    return fail(ErrorCode::kInvalidArgument, index_path.native(), "no object \"weight_map\"");
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->get_object()) {
    if (!file.is_string() || !is_plain_file_name(file.get_string())) {
      return fail(ErrorCode::kInvalidArgument, index_path.native(),
                  "tensor '{}' is not in a file of this folder", std::string(tensor));
    }
    names.emplace(file.get_string());
    index_.emplace(tensor, file.get_string());
  }
  if (names.empty() || names.size() > kMaxFiles) {
    return fail(ErrorCode::kInvalidArgument, index_path.native(), "it names {} files",
                names.size());
  }
  return std::vector(names.begin(), names.end());
}

// Runs once all files are open: the map points into them.
Result<void> ModelFolder::place_tensors() {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    for (const TensorInfo& info : files_[i].tensors()) {
      const auto [place, is_new] = tensors_.emplace(info.name, Place{i, &info});
      if (!is_new) {
        return fail(ErrorCode::kInvalidArgument, files_[i].path().native(),
                    "tensor '{}' stands in {} too", info.name,
                    files_[place->second.file].path().filename().native());
      }
    }
  }
  for (const auto& [tensor, file] : index_) {
    const auto found = tensors_.find(tensor);
    if (found == tensors_.end() || files_[found->second.file].path().filename() != file) {
      return fail(ErrorCode::kInvalidArgument, (path_ / file).native(),
                  "the index promises tensor '{}' here, but it is missing", tensor);
    }
  }
  return {};
}

std::vector<std::string> ModelFolder::tensor_names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, place] : tensors_) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

Result<tensor::View> ModelFolder::tensor(const std::string& name,
                                         const tensor::Shape& shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return fail(ErrorCode::kNotFound, path_.native(), "no tensor '{}' in its files", name);
  }
  const SafetensorsFile& file = files_[found->second.file];
  const TensorInfo& info = *found->second.info;
  if (info.shape != shape) {
    return fail(ErrorCode::kInvalidArgument, file.path().native(),
                "tensor '{}' has shape {}, but the configuration needs {}", name, info.shape.text(),
                shape.text());
  }
  const bool is_float = info.dtype == tensor::DType::kF32 || info.dtype == tensor::DType::kBF16 ||
                        info.dtype == tensor::DType::kF16;
  if (!is_float) {
    return fail(ErrorCode::kInvalidArgument, file.path().native(),
                "tensor '{}' has type {}; weights are BF16, F16 or F32", name, info.dtype_name);
  }
  return tensor::View{file.bytes(info).data(), *info.dtype, info.shape};
}

Result<void> ModelFolder::files_unchanged() const {
  for (const SafetensorsFile& file : files_) TRY(file.size_unchanged());
  return {};
}

}  // namespace fathom::checkpoint
