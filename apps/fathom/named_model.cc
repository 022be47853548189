// Reads a configuration, not the weights.
#include "named_model.h"

#include <system_error>

#include "base/file.h"
#include "checkpoint/hub.h"
#include "checkpoint/model_config.h"
#include "spec/known_models.h"

namespace fathom::app {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

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

}  // namespace

base::Result<NamedModel> find_model(const std::string& name) {
  if (const auto shape = spec::known_shape(name)) return NamedModel{.name = name, .spec = *shape};
  NamedModel model{.name = name};
  model.folder = TRY(checkpoint::resolve_model(name));
  const std::filesystem::path config = model.folder / "config.json";
  const std::string text = TRY(base::read_file(config, kMaxConfigBytes));
  model.spec = TRY(checkpoint::parse_model_config(text, "", config.native()))
  .spec;
  find_weights(model);
  return model;
}

}  // namespace fathom::app
