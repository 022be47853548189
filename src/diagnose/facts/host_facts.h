// HostFacts: what was read of the machine without its GPUs. Nothing read: not supported there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cgroup.h"
#include "diagnose/facts/field_visitor.h"

namespace fathom::diagnose {

// In limits: there is none.
using base::kUnlimited;

// A process and how much it holds of what was asked about.
struct ProcessFacts {
  std::int64_t pid = 0;
  std::optional<std::string> name;
  std::optional<std::int64_t> used_bytes;
};

template <SameFacts<ProcessFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("pid", facts.pid);
  visit("name", facts.name);
  visit("used_bytes", facts.used_bytes);
}

struct PlatformFacts {
  std::optional<std::string> kernel_release;
  std::optional<std::string> machine;       // "x86_64"
  std::optional<bool> is_wsl;               // Windows' Subsystem for Linux, version 2
  std::optional<std::string> jetson_model;  // read from the device tree; elsewhere not there
  std::optional<std::string> container;     // "none", "docker", "podman", "kubernetes", "lxc"
  // NVIDIA's display and 3D controllers on the PCI bus, whether or not a driver serves them.
  std::optional<std::int64_t> num_nvidia_pci_devices;
  std::optional<std::string> nvidia_module_version;     // of the loaded kernel module
  std::optional<std::int64_t> num_nvidia_device_nodes;  // /dev/nvidia0 and so on
  std::optional<bool> has_infiniband;
};

template <SameFacts<PlatformFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("kernel_release", facts.kernel_release);
  visit("machine", facts.machine);
  visit("is_wsl", facts.is_wsl);
  visit("jetson_model", facts.jetson_model);
  visit("container", facts.container);
  visit("num_nvidia_pci_devices", facts.num_nvidia_pci_devices);
  visit("nvidia_module_version", facts.nvidia_module_version);
  visit("num_nvidia_device_nodes", facts.num_nvidia_device_nodes);
  visit("has_infiniband", facts.has_infiniband);
}

struct MemoryFacts {
  std::optional<std::int64_t> total_bytes;
  std::optional<std::int64_t> available_bytes;
  std::optional<std::int64_t> swap_total_bytes;
  std::optional<std::int64_t> swap_used_bytes;
  std::optional<std::vector<ProcessFacts>> swap_users;  // those who hold most of it, largest first
  // Share of the last ten seconds in which some task waited for memory.
  std::optional<double> pressure_percent;
  // Of this process's control group, and those above it.
  std::optional<std::int64_t> cgroup_limit_bytes;  // or kUnlimited
  std::optional<std::int64_t> cgroup_used_bytes;   // page cache included
  std::optional<std::int64_t> cgroup_oom_kills;
  std::optional<std::string> transparent_huge_pages;  // "always", "madvise" or "never"
  std::optional<std::int64_t> overcommit_mode;        // vm.overcommit_memory; 2: strict
  std::optional<std::int64_t> shm_total_bytes;        // of /dev/shm
  std::optional<std::int64_t> shm_available_bytes;
};

template <SameFacts<MemoryFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("total_bytes", facts.total_bytes);
  visit("available_bytes", facts.available_bytes);
  visit("swap_total_bytes", facts.swap_total_bytes);
  visit("swap_used_bytes", facts.swap_used_bytes);
  visit("swap_users", facts.swap_users);
  visit("pressure_percent", facts.pressure_percent);
  visit("cgroup_limit_bytes", facts.cgroup_limit_bytes);
  visit("cgroup_used_bytes", facts.cgroup_used_bytes);
  visit("cgroup_oom_kills", facts.cgroup_oom_kills);
  visit("transparent_huge_pages", facts.transparent_huge_pages);
  visit("overcommit_mode", facts.overcommit_mode);
  visit("shm_total_bytes", facts.shm_total_bytes);
  visit("shm_available_bytes", facts.shm_available_bytes);
}

struct NumaNodeFacts {
  std::int64_t node = 0;
  std::optional<std::string> cpus;  // "0-15,32-47"; empty: memory without processors
  std::optional<std::int64_t> memory_total_bytes;
  std::optional<std::int64_t> memory_free_bytes;
  std::optional<std::vector<std::int64_t>> distances;  // to each node; 10: itself
};

template <SameFacts<NumaNodeFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("node", facts.node);
  visit("cpus", facts.cpus);
  visit("memory_total_bytes", facts.memory_total_bytes);
  visit("memory_free_bytes", facts.memory_free_bytes);
  visit("distances", facts.distances);
}

struct ProcessorFacts {
  std::optional<std::string> model;
  std::optional<std::int64_t> num_online;
  std::optional<std::string> allowed;          // where this process may run: "0-7"
  std::optional<std::string> instruction_set;  // the best that Fathom has kernels for here
  std::optional<double> load_1_min;            // tasks that ran or waited, mean over a minute
  std::optional<double> cgroup_quota_cpus;     // or kUnlimited
  std::optional<std::int64_t> cgroup_throttled_periods;
  std::optional<std::string> frequency_governor;
  std::optional<std::string> frequency_driver;
  std::optional<std::vector<NumaNodeFacts>> numa_nodes;
};

template <SameFacts<ProcessorFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("model", facts.model);
  visit("num_online", facts.num_online);
  visit("allowed", facts.allowed);
  visit("instruction_set", facts.instruction_set);
  visit("load_1_min", facts.load_1_min);
  visit("cgroup_quota_cpus", facts.cgroup_quota_cpus);
  visit("cgroup_throttled_periods", facts.cgroup_throttled_periods);
  visit("frequency_governor", facts.frequency_governor);
  visit("frequency_driver", facts.frequency_driver);
  visit("numa_nodes", facts.numa_nodes);
}

// Of this process; kUnlimited where there is no limit.
struct LimitFacts {
  std::optional<std::int64_t> open_files;
  std::optional<std::int64_t> open_files_hard;
  std::optional<std::int64_t> locked_memory_bytes;
  std::optional<std::int64_t> address_space_bytes;
};

template <SameFacts<LimitFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("open_files", facts.open_files);
  visit("open_files_hard", facts.open_files_hard);
  visit("locked_memory_bytes", facts.locked_memory_bytes);
  visit("address_space_bytes", facts.address_space_bytes);
}

// Where a folder's files lie.
struct StorageFacts {
  std::string purpose;  // "model": the files of --model; "downloads": where pull puts them
  std::string path;
  std::optional<std::string> file_system;  // "ext4", "nfs4", "overlay"
  std::optional<std::string> device;       // "/dev/nvme0n1p2"
  // "nvme", "sata ssd", "hard disk", "virtual disk", "network", "memory", "windows drive".
  std::optional<std::string> kind;
  std::optional<std::int64_t> total_bytes;
  std::optional<std::int64_t> available_bytes;
  std::optional<std::int64_t> model_files_bytes;  // "model" only: what lies there
};

template <SameFacts<StorageFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("purpose", facts.purpose);
  visit("path", facts.path);
  visit("file_system", facts.file_system);
  visit("device", facts.device);
  visit("kind", facts.kind);
  visit("total_bytes", facts.total_bytes);
  visit("available_bytes", facts.available_bytes);
  visit("model_files_bytes", facts.model_files_bytes);
}

struct VariableFacts {
  std::string name;
  std::string value;
};

template <SameFacts<VariableFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("name", facts.name);
  visit("value", facts.value);
}

struct HostFacts {
  PlatformFacts platform;
  MemoryFacts memory;
  ProcessorFacts processor;
  LimitFacts limits;
  std::vector<StorageFacts> storage;
  std::optional<std::vector<VariableFacts>> environment;  // NCCL's and CUDA's alone
};

template <SameFacts<HostFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("platform", facts.platform);
  visit("memory", facts.memory);
  visit("processor", facts.processor);
  visit("limits", facts.limits);
  visit("storage", facts.storage);
  visit("environment", facts.environment);
}

}  // namespace fathom::diagnose
