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

std::int64_t weights_bytes(const std::filesystem::path& folder) {
  std::int64_t total = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".safetensors") continue;
    std::error_code size_error;
    const auto size = std::filesystem::file_size(entry->path(), size_error);
    if (!size_error) total += static_cast<std::int64_t>(size);
  }
  return total;
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
  model.files_bytes = weights_bytes(model.folder);
  return model;
}

}  // namespace fathom::app
