// Finds a model, checks it, and brings it into memory.
#include "loaded_model.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
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
using tensor::DType;

// The snapshot folders of the hub's cache are named by commit: the name pulled by says more.
std::string display_name(const std::string& asked, const std::filesystem::path& folder) {
  if (folder != std::filesystem::path(asked)) return asked;
  std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  const std::string pulled = checkpoint::snapshot_name(whole);
  return pulled.empty() ? whole.filename().string() : pulled;
}

Result<DType> compute_dtype(const ModelFlags& flags, const checkpoint::ModelFolder& folder) {
  if (flags.dtype == "fp32") return DType::kF32;
  if (flags.dtype == "bf16") return DType::kBF16;
  // bf16 weights are multiplied as they are; others would lose bits.
  return folder.spec().weight_dtype == "bfloat16" ? DType::kBF16 : DType::kF32;
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
  command.add_option("--device", flags.device, "where to run: cpu")->capture_default_str();
  command.add_option("--dtype", flags.dtype, "precision: auto (the checkpoint's), bf16 or fp32")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}));
  command.add_option("--threads", flags.threads, "threads; 0: one for each core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
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
  model.device = TRY(device::open_device(flags.device, {.num_threads = flags.threads}));
  const DType dtype = TRY(compute_dtype(flags, *folder));
  model.weights = std::make_shared<const model::Weights>(
      TRY(model::Weights::load(folder, *model.device, {.compute_dtype = dtype})));
  TRY(folder->files_unchanged());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  base::log_info("{}: {}, {}, computed in {} on {}; loaded in {:.2f} s", model.name,
                 spec::name(model.spec().architecture), model.size_text(), tensor::name(dtype),
                 model.device->name(), seconds.count());
  return model;
}

}  // namespace fathom::app
