// Asks NVML about one GPU.
#include "diagnose/probes/gpu_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "diagnose/probes/host_probe.h"
#include "diagnose/probes/nvml_values.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

constexpr unsigned int kMaxNvLinks = 36;
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 50;
constexpr std::int64_t kMaxCount = std::numeric_limits<std::int64_t>::max() / 64;

template <std::size_t size>
std::string fixed_text(const std::array<char, size>& text) {
  return printable(std::string(text.begin(), std::find(text.begin(), text.end(), '\0')));
}

using ProcessLister = decltype(NvmlApi::compute_processes);

// A process may both compute and draw: it is listed once.
void add_processes(const NvmlReader& reader, const base::SystemFiles& files, ProcessLister list,
                   std::optional<std::vector<ProcessFacts>>& processes) {
  std::array<nvml::ProcessInfo, 256> found{};
  unsigned int count = found.size();
  if (list == nullptr) return;
  const nvml::Status status = list(reader.device(), &count, found.data());
  if (status != nvml::kSuccess && status != nvml::kInsufficientSize) return;
  if (!processes) processes.emplace();
  for (std::size_t i = 0; i < std::min<std::size_t>(count, found.size()); ++i) {
    const std::int64_t pid = found[i].pid;
    if (pid == 0 || std::ranges::count(*processes, pid, &ProcessFacts::pid) > 0) continue;
    processes->push_back({.pid = pid,
                          .name = files.text(fmt::format("/proc/{}/comm", pid)),
                          .used_bytes = NvmlReader::in_range(found[i].used_bytes, kMaxBytes)});
  }
}

GpuMemoryFacts memory_of(const NvmlReader& reader, const base::SystemFiles& files) {
  const NvmlApi& api = reader.api();
  GpuMemoryFacts memory;
  nvml::Memory bytes{};
  if (api.memory != nullptr && api.memory(reader.device(), &bytes) == nvml::kSuccess) {
    memory.total_bytes = NvmlReader::in_range(bytes.total, kMaxBytes);
    if (memory.total_bytes && bytes.used <= bytes.total && bytes.free <= bytes.total) {
      memory.used_bytes = static_cast<std::int64_t>(bytes.used);
      memory.free_bytes = static_cast<std::int64_t>(bytes.free);
    }
  }
  memory.bus_bits = reader.number(api.memory_bus_bits, 65'536);
  add_processes(reader, files, api.compute_processes, memory.processes);
  add_processes(reader, files, api.graphics_processes, memory.processes);
  if (memory.processes) {
    std::ranges::sort(*memory.processes, std::greater<>{}, &ProcessFacts::used_bytes);
  }
  return memory;
}

std::optional<std::vector<std::string>> clock_reasons(const NvmlReader& reader) {
  // Bit by bit, as NVML documents them.
  constexpr std::array kReasons{
      "idle",         "clock setting",      "power cap",          "hardware slowdown",
      "sync boost",   "thermal (software)", "thermal (hardware)", "power brake",
      "display clock"};
  const auto bits = reader.large_number(reader.api().clock_reasons, kMaxCount);
  if (!bits) return std::nullopt;
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if ((static_cast<std::uint64_t>(*bits) >> i & 1) != 0) reasons.emplace_back(kReasons[i]);
  }
  return reasons;
}

std::optional<double> watts(const std::optional<std::int64_t>& milliwatts) {
  return milliwatts ? std::optional(static_cast<double>(*milliwatts) * 1e-3) : std::nullopt;
}

GpuHealthFacts load_health_of(const NvmlReader& reader) {
  constexpr unsigned int kSm = 1;
  constexpr unsigned int kMemory = 2;
  constexpr unsigned int kDieSensor = 0;
  constexpr unsigned int kSlowdown = 1;
  constexpr std::int64_t kMaxMhz = 100'000;
  constexpr std::int64_t kMaxDegrees = 250;
  constexpr std::int64_t kMaxMilliwatts = 100'000'000;
  const NvmlApi& api = reader.api();
  GpuHealthFacts health;
  health.temperature_c = reader.number(api.temperature, kMaxDegrees, kDieSensor);
  health.slowdown_temperature_c = reader.number(api.temperature_threshold, kMaxDegrees, kSlowdown);
  health.power_w = watts(reader.number(api.power_mw, kMaxMilliwatts));
  health.power_limit_w = watts(reader.number(api.power_limit_mw, kMaxMilliwatts));
  health.default_power_limit_w = watts(reader.number(api.default_power_limit_mw, kMaxMilliwatts));
  health.sm_clock_mhz = reader.number(api.clock_mhz, kMaxMhz, kSm);
  health.max_sm_clock_mhz = reader.number(api.max_clock_mhz, kMaxMhz, kSm);
  health.memory_clock_mhz = reader.number(api.clock_mhz, kMaxMhz, kMemory);
  health.max_memory_clock_mhz = reader.number(api.max_clock_mhz, kMaxMhz, kMemory);
  health.clock_reasons = clock_reasons(reader);
  return health;
}

GpuHealthFacts health_of(const NvmlReader& reader) {
  constexpr unsigned int kCorrected = 0;
  constexpr unsigned int kUncorrected = 1;
  constexpr unsigned int kVolatile = 0;
  const NvmlApi& api = reader.api();
  GpuHealthFacts health = load_health_of(reader);
  health.ecc_enabled = reader.current(api.ecc_mode);
  health.ecc_corrected = reader.large_number(api.ecc_errors, kMaxCount, kCorrected, kVolatile);
  health.ecc_uncorrected = reader.large_number(api.ecc_errors, kMaxCount, kUncorrected, kVolatile);
  unsigned int corrected = 0;
  unsigned int uncorrected = 0;
  unsigned int pending = 0;
  unsigned int failed = 0;
  if (api.remapped_rows != nullptr &&
      api.remapped_rows(reader.device(), &corrected, &uncorrected, &pending, &failed) ==
          nvml::kSuccess &&
      pending <= 1 && failed <= 1) {
    health.remapped_rows = std::int64_t{corrected} + std::int64_t{uncorrected};
    health.remap_pending = pending == 1;
    health.remap_failed = failed == 1;
  }
  health.retired_pages_pending = reader.flag(api.retired_pages_pending);
  return health;
}

PcieFacts pcie_of(const NvmlReader& reader) {
  constexpr std::int64_t kMaxGeneration = 10;
  constexpr std::int64_t kMaxLanes = 64;
  const NvmlApi& api = reader.api();
  // 0 stands for a link that the driver does not see, as in virtual machines.
  const auto positive = [](std::optional<std::int64_t> value) {
    return value.value_or(0) > 0 ? value : std::nullopt;
  };
  return {.generation = positive(reader.number(api.pcie_generation, kMaxGeneration)),
          .max_generation = positive(reader.number(api.pcie_max_generation, kMaxGeneration)),
          .width = positive(reader.number(api.pcie_width, kMaxLanes)),
          .max_width = positive(reader.number(api.pcie_max_width, kMaxLanes)),
          .replays = reader.number(api.pcie_replays, kMaxCount)};
}

std::optional<std::vector<NvLinkFacts>> nvlinks_of(const NvmlReader& reader) {
  constexpr unsigned int kReplay = 0;
  constexpr unsigned int kRecovery = 1;
  constexpr unsigned int kCrc = 2;
  const NvmlApi& api = reader.api();
  if (api.nvlink_state == nullptr) return std::nullopt;
  std::vector<NvLinkFacts> links;
  for (unsigned int port = 0; port < kMaxNvLinks; ++port) {
    const auto state = reader.number(api.nvlink_state, 1, port);
    if (!state) continue;
    NvLinkFacts link{.port = port, .is_active = *state == 1};
    if (*state == 1) {
      const auto type = reader.number(api.nvlink_remote_type, 2, port);
      if (type == 0) link.remote_type = "gpu";
      if (type == 2) link.remote_type = "switch";
      nvml::PciInfo remote{};
      if (api.nvlink_remote_pci != nullptr &&
          api.nvlink_remote_pci(reader.device(), port, &remote) == nvml::kSuccess) {
        link.remote_pci_bus_id = fixed_text(remote.bus_id);
      }
      link.crc_errors = reader.large_number(api.nvlink_errors, kMaxCount, port, kCrc);
      link.replay_errors = reader.large_number(api.nvlink_errors, kMaxCount, port, kReplay);
      link.recovery_errors = reader.large_number(api.nvlink_errors, kMaxCount, port, kRecovery);
    }
    links.push_back(std::move(link));
  }
  // GPUs without ports and virtual machines that hide them answer alike: not supported.
  if (links.empty()) return std::nullopt;
  return links;
}

void read_modes(const NvmlReader& reader, GpuFacts& gpu) {
  const NvmlApi& api = reader.api();
  nvml::Utilization utilization{};
  if (api.utilization != nullptr &&
      api.utilization(reader.device(), &utilization) == nvml::kSuccess && utilization.gpu <= 100) {
    gpu.utilization_percent = utilization.gpu;
  }
  gpu.performance_state = reader.number(api.performance_state, 15);
  gpu.mig_enabled = reader.current(api.mig_mode);
  gpu.persistence_enabled = reader.flag(api.persistence_mode);
  gpu.display_attached = reader.flag(api.display_active);
  const auto mode = reader.number(api.compute_mode, 3);
  if (mode == 0) gpu.compute_mode = "default";
  if (mode == 1 || mode == 3) gpu.compute_mode = "exclusive";
  if (mode == 2) gpu.compute_mode = "prohibited";
}

void read_place(const base::SystemFiles& files, GpuFacts& gpu) {
  if (!gpu.pci_bus_id) return;
  const std::string folder = "/sys/bus/pci/devices/" + short_pci_address(*gpu.pci_bus_id) + ".0";
  const auto node = files.number(folder + "/numa_node");
  if (node && *node >= 0) gpu.numa_node = node;  // -1: the firmware does not say
  gpu.near_cpus = files.text(folder + "/local_cpulist");
}

}  // namespace

GpuFacts probe_gpu(const NvmlReader& reader, const base::SystemFiles& files, std::int64_t index) {
  const NvmlApi& api = reader.api();
  GpuFacts gpu{.index = index};
  gpu.name = reader.text(api.name);
  gpu.uuid = reader.text(api.uuid);
  nvml::PciInfo pci{};
  if (api.pci_info != nullptr && api.pci_info(reader.device(), &pci) == nvml::kSuccess) {
    gpu.pci_bus_id = fixed_text(pci.bus_id);
  }
  int major = 0;
  int minor = 0;
  if (api.compute_capability != nullptr &&
      api.compute_capability(reader.device(), &major, &minor) == nvml::kSuccess && major > 0 &&
      major < 100 && minor >= 0 && minor < 10) {
    gpu.architecture = major * 10 + minor;
  }
  gpu.memory = memory_of(reader, files);
  gpu.health = health_of(reader);
  gpu.pcie = pcie_of(reader);
  gpu.nvlinks = nvlinks_of(reader);
  read_modes(reader, gpu);
  read_place(files, gpu);
  return gpu;
}

std::optional<std::string> NvmlReader::text(NvmlApi::Text function) const {
  std::array<char, 128> buffer{};
  if (function == nullptr || function(device_, buffer.data(),
                                      static_cast<unsigned int>(buffer.size())) != nvml::kSuccess) {
    return std::nullopt;
  }
  return fixed_text(buffer);
}

GpuFacts probe_gpu_load(const NvmlReader& reader, std::int64_t index) {
  GpuFacts gpu{.index = index};
  gpu.health = load_health_of(reader);
  gpu.pcie = pcie_of(reader);
  return gpu;
}

}  // namespace fathom::diagnose
