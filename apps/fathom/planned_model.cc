// Looks in the order that the header gives.
#include "planned_model.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
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

Result<PlannedModel> read_folder(const std::string& name, const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  const std::string text = TRY(base::read_file(path, kMaxConfigBytes));
  const checkpoint::ModelConfig config =
      TRY(checkpoint::parse_model_config(text, "", path.native()));
  for (const std::string& warning : config.warnings) base::log_warning("{}", warning);
  return PlannedModel{name, config.spec};
}

}  // namespace

Result<PlannedModel> find_planned_model(const std::string& name_or_folder) {
  if (std::filesystem::is_directory(name_or_folder)) {
    return read_folder(name_or_folder, name_or_folder);
  }
  std::string_view shape = name_or_folder;
  for (const auto& [hub_name, hub_shape] : kHubShapes) {
    if (name_or_folder == hub_name) shape = hub_shape;
  }
  if (const auto spec = spec::known_shape(shape)) return PlannedModel{name_or_folder, *spec};
  const auto pulled = checkpoint::resolve_model(name_or_folder);
  if (pulled) return read_folder(name_or_folder, *pulled);
  return fail(ErrorCode::kNotFound, name_or_folder,
              "no folder, no pulled model, and none of the known models {}",
              fmt::join(spec::known_shapes(), ", "));
}

}  // namespace fathom::app
