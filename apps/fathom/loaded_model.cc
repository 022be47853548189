// Finds a model, checks it, and brings it into memory.
#include "loaded_model.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <map>
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

// How a model is computed, and what its matrices are stored as.
struct Precision {
  DType compute = DType::kBF16;
  bool matrices_in_fp8 = false;

  std::string text() const {
    return matrices_in_fp8 ? fmt::format("fp8 with {} activations", tensor::name(compute))
                           : std::string(tensor::name(compute));
  }
};

// The checkpoint's own precision, or what comes next on a device that does not compute in it.
Precision automatic_precision(const std::string& stored, const device::Device& device) {
  if (device.reads_host_memory()) {
    // bf16 weights are multiplied as they are; others would lose bits.
    return {.compute = stored == "bfloat16" ? DType::kBF16 : DType::kF32};
  }
  if (stored == "float16") return {.compute = DType::kF16};
  if (device.supports(DType::kBF16)) {
    if (stored != "bfloat16") {
      base::log_info("{} weights are computed in bf16; --dtype fp32 is exact, and slow", stored);
    }
    return {.compute = DType::kBF16};
  }
  base::log_info("{} has no bf16: fp16 is computed instead, with sums and residuals in fp32",
                 device.name());
  return {.compute = DType::kF16};
}

Result<Precision> precision_of(const ModelFlags& flags, const checkpoint::ModelFolder& folder,
                               const device::Device& device) {
  Precision asked = automatic_precision(folder.spec().weight_dtype, device);
  if (flags.dtype == "fp32") asked.compute = DType::kF32;
  if (flags.dtype == "bf16") asked.compute = DType::kBF16;
  if (flags.dtype == "fp16") asked.compute = DType::kF16;
  if (flags.dtype == "fp8") {
    if (!device.supports(DType::kF8E4M3)) {
      return fail(ErrorCode::kInvalidArgument, "--dtype",
                  "{} does not compute in fp8: that takes a GPU of sm_89 (RTX 4090, L4) or later",
                  device.name());
    }
    if (asked.compute == DType::kF32) asked.compute = DType::kBF16;
    asked.matrices_in_fp8 = true;
  }
  if (!device.supports(asked.compute)) {
    return fail(ErrorCode::kInvalidArgument, "--dtype", "{} does not compute in {}", device.name(),
                tensor::name(asked.compute));
  }
  return asked;
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
  command
      .add_option("--device", flags.device,
                  "where to run: cpu, cuda, cuda:N, or auto: the first GPU if there is one")
      ->capture_default_str();
  command
      .add_option("--dtype", flags.dtype,
                  "precision: auto (the checkpoint's), bf16 or fp32; on a GPU also fp16 and fp8 "
                  "(weights quantized while they are loaded)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16", "fp8"}));
  command
      .add_option("--gpu-memory-limit", flags.gpu_memory_limit_bytes,
                  "take at most so much of the GPU's memory, such as 22GiB; default: all that is "
                  "free")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--threads", flags.threads, "threads; 0: one for each core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command.add_flag("--force", flags.force,
                   "load a known model although its files differ from what it must be");
}

void add_kv_dtype_flag(CLI::App& command, std::string& name) {
  command
      .add_option("--kv-dtype,--kv-cache-dtype", name,
                  "type of the KV cache: fp32, bf16 or int8, on a GPU also fp16 and fp8; default: "
                  "the precision of the activations")
      ->check(CLI::IsMember({"fp32", "bf16", "fp16", "fp8", "int8"}));
}

void add_determinism_flag(CLI::App& command, model::Determinism& determinism) {
  static const std::map<std::string, model::Determinism> names{
      {"schedule", model::Determinism::kSchedule}, {"batch", model::Determinism::kBatch}};
  command
      .add_option("--determinism", determinism,
                  "batch: a request with a seed gives the same bits whatever else runs, at some "
                  "cost; schedule: if the same steps come again. A CPU always does the former")
      ->transform(CLI::CheckedTransformer(names))
      ->default_str("schedule");
}

Result<DType> kv_dtype(const std::string& name, DType of_activations,
                       const device::Device& device) {
  DType dtype = of_activations;
  if (name == "fp32") dtype = DType::kF32;
  if (name == "bf16") dtype = DType::kBF16;
  if (name == "fp16") dtype = DType::kF16;
  if (name == "fp8") dtype = DType::kF8E4M3;
  if (name == "int8") dtype = DType::kI8;
  if (device.supports(dtype)) return dtype;
  return fail(ErrorCode::kInvalidArgument, "--kv-dtype", "{} has no KV cache of {}", device.name(),
              name);
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
  model.device =
      TRY(device::open_device(flags.device, {.num_threads = flags.threads,
                                             .memory_limit_bytes = flags.gpu_memory_limit_bytes}));
  const Precision precision = TRY(precision_of(flags, *folder, *model.device));
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
