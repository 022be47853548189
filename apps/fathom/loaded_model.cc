// Finds a model, checks it, and brings it into memory.
#include "loaded_model.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <utility>

#include "base/log.h"
#include "checkpoint/hub.h"
#include "checkpoint/identity.h"
#include "checkpoint/model_folder.h"

namespace fathom::app {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

// The snapshot folders of the hub's cache are named by commit: the name pulled by says more.
std::string display_name(const std::string& asked, const std::filesystem::path& folder) {
  if (folder != std::filesystem::path(asked)) return asked;
  std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  const std::string pulled = checkpoint::snapshot_name(whole);
  return pulled.empty() ? whole.filename().string() : pulled;
}

// A line that grows while weights are on their way to a GPU.
void show_loading(std::size_t done_bytes, std::size_t total_bytes) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\rloading weights: %zu of %zu MiB%s", done_bytes >> 20, total_bytes >> 20,
               done_bytes == total_bytes ? "\n" : "");
}

// What the identity gate asks the tokenizer and the template.
checkpoint::IdentityProbe probe(const LoadedModel& model) {
  checkpoint::IdentityProbe made;
  made.encode = [&model](std::string_view text) -> Result<std::vector<std::int32_t>> {
    std::vector<std::int32_t> ids;
    for (const auto token : TRY(model.tokenizer->encode(text))) {
      ids.push_back(base::index(token));
    }
    return ids;
  };
  if (model.chat_template) {
    made.render = [&model](std::string_view user) -> Result<std::string> {
      auto rendered = TRY(model.chat_template->render(
          {.messages = {{.role = "user", .content = std::string(user)}}}));
      return std::move(rendered.text);
    };
  }
  return made;
}

Result<void> check_identity(const ModelFlags& flags, const LoadedModel& model,
                            const checkpoint::ModelFolder& folder) {
  const auto checked = checkpoint::check_identity(folder.config(), model.name, probe(model));
  if (checked) return {};
  if (!flags.force) {
    return checked.error().code == ErrorCode::kFailedPrecondition
               ? fail(ErrorCode::kFailedPrecondition, checked.error().where,
                      "{}; --force loads it all the same", checked.error().message)
               : checked.error();
  }
  base::log_warning("{}: loaded because of --force", checked.error().text());
  return {};
}

}  // namespace

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  command.add_option("MODEL", flags.model, "a folder, or the name of a pulled model")->required();
  add_device_flags(command, flags);
  command.add_flag("--force", flags.force,
                   "load a known model although its files differ from what it must be");
}

std::string LoadedModel::size_text() const {
  const auto parameters = static_cast<double>(spec().total_parameters());
  return parameters >= 1e9 ? fmt::format("{:.2f} billion parameters", parameters / 1e9)
                           : fmt::format("{:.1f} million parameters", parameters / 1e6);
}

Result<LoadedModel> load_model(const ModelFlags& flags) {
  const auto start = std::chrono::steady_clock::now();
  const std::filesystem::path path = TRY(checkpoint::resolve_model(flags.model));
  auto folder =
      std::make_shared<const checkpoint::ModelFolder>(TRY(checkpoint::ModelFolder::open(path)));
  for (const std::string& warning : folder->config().warnings) base::log_warning("{}", warning);
  LoadedModel model;
  model.name = display_name(flags.model, path);
  model.tokenizer = TRY(tokenizer::Tokenizer::load(path));
  model.chat_template = TRY(tokenizer::load_chat_template(path));
  TRY(check_identity(flags, model, *folder));
  model.device = TRY(open_device(flags));
  const Precision precision = TRY(precision_of(flags, folder->spec().weight_dtype, *model.device));
  model.weights = std::make_shared<const model::Weights>(
      TRY(model::Weights::load(folder, *model.device,
                               {.compute_dtype = precision.compute,
                                .matrices_in_fp8 = precision.matrices_in_fp8,
                                .on_progress = show_loading})));
  TRY(folder->files_unchanged());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  base::log_info("{}: {}, {}, computed in {} on {}; loaded in {:.2f} s", model.name,
                 spec::name(model.spec().architecture), model.size_text(), precision.text(),
                 model.device->name(), seconds.count());
  return model;
}

}  // namespace fathom::app
