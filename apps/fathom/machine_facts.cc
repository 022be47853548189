// Runs the probes of level 1.
#include "machine_facts.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "checkpoint/hub_cache.h"
#include "device/build_target.h"
#include "diagnose/facts/fact_json.h"
#include "diagnose/probes/host_probe.h"
#include "diagnose/probes/machine_probe.h"

namespace fathom::app {
namespace {

constexpr std::uint64_t kMaxFactsBytes = std::uint64_t{16} << 20;

// A folder that is not there yet will lie where the first one above it does that is.
std::filesystem::path existing(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (path.has_relative_path() && !std::filesystem::exists(path, error)) {
    path = path.parent_path();
  }
  auto real = std::filesystem::canonical(path, error);
  return error ? path : real;
}

}  // namespace

diagnose::Facts machine_facts(const std::optional<NamedModel>& model) {
  diagnose::HostQuestion question{.environment = diagnose::own_environment()};
  if (model && !model->folder.empty()) {
    question.storage.push_back({.purpose = "model",
                                .path = existing(model->folder),
                                .model_files_bytes = model->files_bytes});
  }
  question.storage.push_back(
      {.purpose = "downloads", .path = existing(checkpoint::with_environment({}).cache)});
  diagnose::Facts facts;
  const device::CudaBuild build = device::cuda_build();
  facts.build.version = FATHOM_VERSION;
  if (!build.toolkit_version.empty()) {
    facts.build.cuda_version = build.toolkit_version;
    facts.build.cuda_architectures = build.architectures;
  }
  facts.host = diagnose::probe_host(question);
  diagnose::GpuReport gpus = diagnose::probe_gpus(base::SystemFiles("/"));
  facts.driver = std::move(gpus.driver);
  facts.gpus = std::move(gpus.gpus);
  facts.links = std::move(gpus.links);
  return facts;
}

void read_gpu_errors_again(diagnose::Facts& facts) {
  diagnose::GpuReport now = diagnose::probe_gpus(base::SystemFiles("/"));
  if (now.gpus.size() != facts.gpus.size()) {
    // One fell off, or the driver hangs: what is there now says so.
    facts.driver = std::move(now.driver);
    facts.gpus = std::move(now.gpus);
    return;
  }
  for (std::size_t i = 0; i < now.gpus.size(); ++i) {
    diagnose::GpuHealthFacts& health = facts.gpus[i].health;
    const diagnose::GpuHealthFacts& later = now.gpus[i].health;
    health.xids = later.xids;
    health.ecc_corrected = later.ecc_corrected;
    health.ecc_uncorrected = later.ecc_uncorrected;
    health.remap_pending = later.remap_pending;
    health.remap_failed = later.remap_failed;
    facts.gpus[i].problem = now.gpus[i].problem;
    facts.gpus[i].nvlinks = std::move(now.gpus[i].nvlinks);
  }
}

base::Result<diagnose::Facts> read_facts(const std::string& file) {
  return diagnose::facts_from_json(TRY(base::read_file(file, kMaxFactsBytes)), file);
}

}  // namespace fathom::app
