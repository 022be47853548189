// GpuFacts and LinkFacts: what NVIDIA's management library and the kernel's log said of the GPUs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/facts/host_facts.h"

namespace fathom::diagnose {

struct DriverFacts {
  std::optional<std::string> version;       // "580.159.03"
  std::optional<std::string> cuda_version;  // the newest that it serves: "13.0"
  // Why NVML did not answer: a code of nvml_problem below, and NVML's or the loader's own words.
  std::optional<std::string> problem;
  std::optional<std::string> problem_text;
};

// Values of DriverFacts::problem.
namespace nvml_problem {
inline constexpr const char* kNoLibrary = "no-library";
inline constexpr const char* kNotLoaded = "driver-not-loaded";
inline constexpr const char* kMismatch = "library-mismatch";
inline constexpr const char* kNoPermission = "no-permission";
inline constexpr const char* kHangs = "no-answer";
inline constexpr const char* kOther = "other";
}  // namespace nvml_problem

template <SameFacts<DriverFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("version", facts.version);
  visit("cuda_version", facts.cuda_version);
  visit("problem", facts.problem);
  visit("problem_text", facts.problem_text);
}

// One port of a GPU.
struct NvLinkFacts {
  std::int64_t port = 0;
  std::optional<bool> is_active;
  std::optional<std::string> remote_type;        // "gpu", "switch"
  std::optional<std::string> remote_pci_bus_id;  // of what is at the other end
  // Since the driver was loaded.
  std::optional<std::int64_t> crc_errors;
  std::optional<std::int64_t> replay_errors;
  std::optional<std::int64_t> recovery_errors;
};

template <SameFacts<NvLinkFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("port", facts.port);
  visit("is_active", facts.is_active);
  visit("remote_type", facts.remote_type);
  visit("remote_pci_bus_id", facts.remote_pci_bus_id);
  visit("crc_errors", facts.crc_errors);
  visit("replay_errors", facts.replay_errors);
  visit("recovery_errors", facts.recovery_errors);
}

// An error that the driver wrote to the kernel's log.
struct XidFacts {
  std::int64_t code = 0;
  std::int64_t count = 0;
  std::optional<std::string> last_text;  // the last such line
};

template <SameFacts<XidFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("code", facts.code);
  visit("count", facts.count);
  visit("last_text", facts.last_text);
}

struct GpuMemoryFacts {
  std::optional<std::int64_t> total_bytes;
  std::optional<std::int64_t> used_bytes;
  std::optional<std::int64_t> free_bytes;
  // Those of all users that the driver lets this process see.
  std::optional<std::vector<ProcessFacts>> processes;
  std::optional<std::int64_t> bus_bits;
};

template <SameFacts<GpuMemoryFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("total_bytes", facts.total_bytes);
  visit("used_bytes", facts.used_bytes);
  visit("free_bytes", facts.free_bytes);
  visit("processes", facts.processes);
  visit("bus_bits", facts.bus_bits);
}

struct GpuHealthFacts {
  std::optional<std::int64_t> ecc_corrected;  // since the driver was loaded
  std::optional<std::int64_t> ecc_uncorrected;
  std::optional<bool> ecc_enabled;
  std::optional<std::int64_t> remapped_rows;  // of the memory's spare rows, for good
  std::optional<bool> remap_pending;          // takes effect with the next reset
  std::optional<bool> remap_failed;
  std::optional<bool> retired_pages_pending;
  std::optional<double> temperature_c;
  std::optional<double> slowdown_temperature_c;
  std::optional<double> power_w;
  std::optional<double> power_limit_w;
  std::optional<double> default_power_limit_w;
  std::optional<std::int64_t> sm_clock_mhz;
  std::optional<std::int64_t> max_sm_clock_mhz;
  std::optional<std::int64_t> memory_clock_mhz;
  std::optional<std::int64_t> max_memory_clock_mhz;
  // "idle", "clock setting", "power cap", "hardware slowdown", "sync boost", "thermal (software)",
  // "thermal (hardware)", "power brake", "display clock".
  std::optional<std::vector<std::string>> clock_reasons;
  std::optional<std::vector<XidFacts>> xids;
};

template <SameFacts<GpuHealthFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("ecc_corrected", facts.ecc_corrected);
  visit("ecc_uncorrected", facts.ecc_uncorrected);
  visit("ecc_enabled", facts.ecc_enabled);
  visit("remapped_rows", facts.remapped_rows);
  visit("remap_pending", facts.remap_pending);
  visit("remap_failed", facts.remap_failed);
  visit("retired_pages_pending", facts.retired_pages_pending);
  visit("temperature_c", facts.temperature_c);
  visit("slowdown_temperature_c", facts.slowdown_temperature_c);
  visit("power_w", facts.power_w);
  visit("power_limit_w", facts.power_limit_w);
  visit("default_power_limit_w", facts.default_power_limit_w);
  visit("sm_clock_mhz", facts.sm_clock_mhz);
  visit("max_sm_clock_mhz", facts.max_sm_clock_mhz);
  visit("memory_clock_mhz", facts.memory_clock_mhz);
  visit("max_memory_clock_mhz", facts.max_memory_clock_mhz);
  visit("clock_reasons", facts.clock_reasons);
  visit("xids", facts.xids);
}

struct PcieFacts {
  std::optional<std::int64_t> generation;  // now: an idle link may sleep at a lower one
  std::optional<std::int64_t> max_generation;
  std::optional<std::int64_t> width;
  std::optional<std::int64_t> max_width;
  std::optional<std::int64_t> replays;  // since the driver was loaded
};

template <SameFacts<PcieFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("generation", facts.generation);
  visit("max_generation", facts.max_generation);
  visit("width", facts.width);
  visit("max_width", facts.max_width);
  visit("replays", facts.replays);
}

struct GpuFacts {
  std::int64_t index = 0;              // NVML's: in the order of the PCI bus
  std::optional<std::string> problem;  // it does not answer: NVML's words
  std::optional<std::string> name;
  std::optional<std::string> uuid;
  std::optional<std::string> pci_bus_id;     // "00000000:1b:00.0"
  std::optional<std::int64_t> architecture;  // 90: compute capability 9.0
  // Share of the last second or less in which any kernel ran; not how well it ran.
  std::optional<double> utilization_percent;
  std::optional<std::int64_t> performance_state;  // 0: the fastest
  std::optional<bool> mig_enabled;
  std::optional<bool> persistence_enabled;
  std::optional<std::string> compute_mode;  // "default", "exclusive", "prohibited"
  std::optional<bool> display_attached;
  std::optional<std::int64_t> numa_node;
  std::optional<std::string> near_cpus;  // "0-31": those of its NUMA node
  GpuMemoryFacts memory;
  GpuHealthFacts health;
  PcieFacts pcie;
  std::optional<std::vector<NvLinkFacts>> nvlinks;
};

template <SameFacts<GpuFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("index", facts.index);
  visit("problem", facts.problem);
  visit("name", facts.name);
  visit("uuid", facts.uuid);
  visit("pci_bus_id", facts.pci_bus_id);
  visit("architecture", facts.architecture);
  visit("utilization_percent", facts.utilization_percent);
  visit("performance_state", facts.performance_state);
  visit("mig_enabled", facts.mig_enabled);
  visit("persistence_enabled", facts.persistence_enabled);
  visit("compute_mode", facts.compute_mode);
  visit("display_attached", facts.display_attached);
  visit("numa_node", facts.numa_node);
  visit("near_cpus", facts.near_cpus);
  visit("memory", facts.memory);
  visit("health", facts.health);
  visit("pcie", facts.pcie);
  visit("nvlinks", facts.nvlinks);
}

// The way between two GPUs.
struct LinkFacts {
  std::int64_t gpu_a = 0;
  std::int64_t gpu_b = 0;
  // Over PCIe, in nvidia-smi's words: "PIX" one switch, "PXB" several, "PHB" the host bridge,
  // "NODE" several of one NUMA node, "SYS" between NUMA nodes.
  std::optional<std::string> path;
  std::optional<std::int64_t> num_nvlinks;  // active, straight or through switches
  std::optional<std::string> peer_access;   // "ok", or why not
};

template <SameFacts<LinkFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("gpu_a", facts.gpu_a);
  visit("gpu_b", facts.gpu_b);
  visit("path", facts.path);
  visit("num_nvlinks", facts.num_nvlinks);
  visit("peer_access", facts.peer_access);
}

}  // namespace fathom::diagnose
