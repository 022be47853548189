// Processors, their clocks, and NUMA nodes.
#include <algorithm>

#include "base/cgroup.h"
#include "device/cpu_device.h"
#include "diagnose/cpu_list.h"
#include "diagnose/probes/host_probe.h"

namespace fathom::diagnose {
namespace {

std::optional<std::vector<NumaNodeFacts>> numa_nodes(const base::SystemFiles& files) {
  const std::string folder = "/sys/devices/system/node/";
  const auto names = files.names(folder);
  if (!names) return std::nullopt;
  std::vector<NumaNodeFacts> nodes;
  for (const std::string& name : *names) {
    const auto number = name.starts_with("node")
                            ? base::whole_number(std::string_view(name).substr(4))
                            : std::nullopt;
    if (!number) continue;
    NumaNodeFacts node{.node = *number};
    node.cpus = files.text(folder + name + "/cpulist");
    node.memory_total_bytes = files.kibibytes_after(folder + name + "/meminfo", "MemTotal:");
    node.memory_free_bytes = files.kibibytes_after(folder + name + "/meminfo", "MemFree:");
    if (const auto text = files.text(folder + name + "/distance")) {
      node.distances.emplace();
      for (const std::string& word : base::words_of(*text)) {
        if (const auto distance = base::whole_number(word)) node.distances->push_back(*distance);
      }
    }
    nodes.push_back(std::move(node));
  }
  std::ranges::sort(nodes, {}, &NumaNodeFacts::node);
  return nodes;
}

}  // namespace

ProcessorFacts probe_processor(const base::SystemFiles& files) {
  ProcessorFacts processor;
  processor.model = files.value_after("/proc/cpuinfo", "model name");
  if (const auto online = files.text("/sys/devices/system/cpu/online")) {
    if (const auto cpus = parse_cpu_list(*online)) {
      processor.num_online = static_cast<std::int64_t>(cpus->size());
    }
  }
  processor.allowed = files.value_after("/proc/self/status", "Cpus_allowed_list");
  processor.instruction_set = std::string(device::name(device::usable_isas().back()));
  if (const auto load = files.text("/proc/loadavg")) {
    const std::vector<std::string> words = base::words_of(*load);
    if (!words.empty()) processor.load_1_min = base::decimal_number(words[0]);
  }
  const base::CgroupCpu group = base::cgroup_cpu(files);
  processor.cgroup_quota_cpus = group.quota_cpus;
  processor.cgroup_throttled_periods = group.throttled_periods;
  const std::string frequency = "/sys/devices/system/cpu/cpu0/cpufreq/";
  processor.frequency_governor = files.text(frequency + "scaling_governor");
  processor.frequency_driver = files.text(frequency + "scaling_driver");
  processor.numa_nodes = numa_nodes(files);
  return processor;
}

LimitFacts probe_limits(const base::SystemFiles& files) {
  LimitFacts limits;
  const auto text = files.text("/proc/self/limits");
  if (!text) return limits;
  // "Max open files            1024                 1048576              files"
  const auto limit = [](const std::string& line, std::string_view name, std::size_t column) {
    const std::vector<std::string> words =
        base::words_of(std::string_view(line).substr(name.size()));
    if (words.size() <= column) return std::optional<std::int64_t>();
    return words[column] == "unlimited" ? std::optional(kUnlimited)
                                        : base::whole_number(words[column]);
  };
  for (const std::string& line : base::lines_of(*text)) {
    if (line.starts_with("Max open files")) {
      limits.open_files = limit(line, "Max open files", 0);
      limits.open_files_hard = limit(line, "Max open files", 1);
    } else if (line.starts_with("Max locked memory")) {
      limits.locked_memory_bytes = limit(line, "Max locked memory", 0);
    } else if (line.starts_with("Max address space")) {
      limits.address_space_bytes = limit(line, "Max address space", 0);
    }
  }
  return limits;
}

}  // namespace fathom::diagnose
