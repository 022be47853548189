// Reads /proc and /sys.
#include "machine_facts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/thread_pool.h"
#include "device/cpu_device.h"

namespace fathom::app {
namespace {

// The value of a "key<spaces>: value" line; empty if there is none.
std::string value_of(const std::filesystem::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t first = line.find_first_not_of(" \t", colon + 1);
    return first == std::string::npos ? "" : line.substr(first);
  }
  return "";
}

double memory_gib() {
  constexpr double kKibPerGib = 1 << 20;
  double total = 0;
  const std::string line = value_of("/proc/meminfo", "MemTotal");
  if (!line.empty()) total = std::strtod(line.c_str(), nullptr) / kKibPerGib;
  // A control group's limit; "max" is no number.
  double limit_bytes = 0;
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  if (limit >> limit_bytes && limit_bytes > 0) {
    total = std::min(total, limit_bytes / (kKibPerGib * 1024));
  }
  return total;
}

}  // namespace

plan::CpuFacts this_cpu() {
  plan::CpuFacts facts;
  facts.title = value_of("/proc/cpuinfo", "model name");
  if (facts.title.empty()) facts.title = "processor";
  facts.isa = device::name(device::usable_isas().back());
  facts.num_cores = base::usable_cores();
  facts.memory_gib = memory_gib();
  return facts;
}

std::vector<std::string> nvidia_gpu_titles() {
  std::vector<std::string> titles;
  std::error_code error;
  const std::filesystem::directory_iterator gpus("/proc/driver/nvidia/gpus", error);
  if (error) return titles;
  for (const auto& each : gpus) {
    const std::string title = value_of(each.path() / "information", "Model");
    if (!title.empty()) titles.push_back(title);
  }
  return titles;
}

}  // namespace fathom::app
