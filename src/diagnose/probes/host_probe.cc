// Puts the parts together.
#include "diagnose/probes/host_probe.h"

#include <unistd.h>

#include <array>
#include <chrono>

#include "diagnose/probes/deadline.h"

namespace fathom::diagnose {
namespace {

constexpr std::chrono::seconds kFileSystemTimeout{5};

// No other variable is recorded: some hold secrets.
std::vector<VariableFacts> settings(const std::vector<std::string>& environment) {
  constexpr std::array kStarts{"NCCL_", "CUDA_",
                               "NVIDIA_VISIBLE_DEVICES=", "NVIDIA_DRIVER_CAPABILITIES="};
  std::vector<VariableFacts> found;
  for (const std::string& each : environment) {
    const std::size_t equals = each.find('=');
    if (equals == std::string::npos) continue;
    for (const char* const start : kStarts) {
      if (each.starts_with(start)) {
        found.push_back({.name = each.substr(0, equals), .value = each.substr(equals + 1)});
      }
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> own_environment() {
  std::vector<std::string> environment;
  for (char** each = ::environ; each != nullptr && *each != nullptr; ++each) {
    environment.emplace_back(*each);
  }
  return environment;
}

HostFacts probe_host(const HostQuestion& question) {
  const base::SystemFiles files(question.root);
  HostFacts host;
  host.platform = probe_platform(files, question.environment);
  host.memory = probe_memory(files);
  host.processor = probe_processor(files);
  host.limits = probe_limits(files);
  host.environment = settings(question.environment);
  for (const StorageQuestion& each : question.storage) {
    auto storage =
        run_with_deadline([files, each] { return probe_storage(files, each); }, kFileSystemTimeout);
    host.storage.push_back(storage
                               ? *std::move(storage)
                               : StorageFacts{.purpose = each.purpose, .path = each.path.string()});
  }
  return host;
}

}  // namespace fathom::diagnose
