// Reads a configuration, not the weights.
#include "named_model.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "checkpoint/hub.h"
#include "checkpoint/model_config.h"
#include "spec/known_models.h"

namespace fathom::app {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

// Models of the hub that have a known shape.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kHubShapes = {
    {{"deepseek-ai/deepseek-llm-7b-base", "deepseek-llm-7b"},
     {"deepseek-ai/deepseek-llm-7b-chat", "deepseek-llm-7b"},
     {"deepseek-ai/deepseek-math-7b-base", "deepseek-llm-7b"},
     {"deepseek-ai/deepseek-math-7b-instruct", "deepseek-llm-7b"},
     {"deepseek-ai/deepseek-math-7b-rl", "deepseek-llm-7b"},
     {"deepseek-ai/deepseek-coder-6.7b-base", "deepseek-coder-6.7b"},
     {"deepseek-ai/deepseek-coder-6.7b-instruct", "deepseek-coder-6.7b"},
     {"deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek-r1-distill-qwen-7b"}}};

std::string served_name(std::string_view shape) {
  std::string name(shape);
  for (const auto& [hub_name, hub_shape] : kHubShapes) {
    const bool is_tuned = hub_name.ends_with("-chat") || hub_name.ends_with("-instruct") ||
                          hub_name.ends_with("Qwen-7B");
    if (hub_shape != shape || !is_tuned || hub_name.find("math") != std::string_view::npos)
      continue;
    name = hub_name;
  }
  return name;
}

void find_weights(NamedModel& model) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(model.folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".safetensors") continue;
    std::error_code size_error;
    const auto size = std::filesystem::file_size(entry->path(), size_error);
    if (size_error) continue;
    model.weight_files.push_back(entry->path());
    model.files_bytes += static_cast<std::int64_t>(size);
  }
}

Result<NamedModel> read_folder(const std::string& name, const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  const std::string text = TRY(base::read_file(path, kMaxConfigBytes));
  const checkpoint::ModelConfig config =
      TRY(checkpoint::parse_model_config(text, "", path.native()));
  for (const std::string& warning : config.warnings) base::log_warning("{}", warning);
  NamedModel model{.name = name, .spec = config.spec, .served_as = name, .folder = folder};
  find_weights(model);
  return model;
}

}  // namespace

Result<NamedModel> find_model(const std::string& name_or_folder) {
  if (std::filesystem::is_directory(name_or_folder)) {
    NamedModel model = TRY(read_folder(name_or_folder, name_or_folder));
    std::filesystem::path whole = std::filesystem::absolute(name_or_folder).lexically_normal();
    if (!whole.has_filename()) whole = whole.parent_path();
    model.served_as = whole;
    model.is_folder = true;
    return model;
  }
  const auto pulled = checkpoint::resolve_model(name_or_folder);
  if (pulled) return read_folder(name_or_folder, *pulled);
  if (name_or_folder.starts_with('/') || name_or_folder.starts_with('.')) return pulled.error();
  std::string_view shape = name_or_folder;
  for (const auto& [hub_name, hub_shape] : kHubShapes) {
    if (name_or_folder == hub_name) shape = hub_shape;
  }
  if (const auto spec = spec::known_shape(shape)) {
    NamedModel model{.name = name_or_folder, .spec = *spec, .served_as = name_or_folder};
    // A bare shape stands for the model that most people serve.
    if (shape == name_or_folder) model.served_as = served_name(shape);
    return model;
  }
  return fail(ErrorCode::kNotFound, name_or_folder,
              "no folder, no pulled model, and none of the known models {}",
              fmt::join(spec::known_shapes(), ", "));
}

}  // namespace fathom::app
