// NVIDIA's management library (NVML), as far as it is used here: its functions as pointers.
//
// Declared from NVML's documented interface, which the driver keeps stable; no header of NVIDIA's
// is needed to build. The library is opened at run time, and a test fills the table with its own
// functions. Any pointer but the first three may be null: that function is not supported.
#pragma once

#include <array>
#include <memory>

#include "base/result.h"

namespace fathom::diagnose {

namespace nvml {

using Device = void*;
using Status = int;

inline constexpr Status kSuccess = 0;
inline constexpr Status kNoPermission = 4;
inline constexpr Status kInsufficientSize = 7;
inline constexpr Status kDriverNotLoaded = 9;
inline constexpr Status kLibraryMismatch = 18;

struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct Utilization {
  unsigned int gpu;
  unsigned int memory;
};

struct PciInfo {
  std::array<char, 16> bus_id_legacy;
  unsigned int domain;
  unsigned int bus;
  unsigned int device;
  unsigned int device_id;
  unsigned int subsystem_id;
  std::array<char, 32> bus_id;
};

struct ProcessInfo {
  unsigned int pid;
  unsigned long long used_bytes;
  unsigned int gpu_instance;
  unsigned int compute_instance;
};

}  // namespace nvml

struct NvmlApi {
  using Device = nvml::Device;
  using Status = nvml::Status;
  using Number = Status (*)(Device, unsigned int*);
  using NumberOf = Status (*)(Device, unsigned int, unsigned int*);
  using TwoNumbers = Status (*)(Device, unsigned int*, unsigned int*);
  using Text = Status (*)(Device, char*, unsigned int);

  Status (*init)() = nullptr;
  Status (*count)(unsigned int*) = nullptr;
  Status (*handle)(unsigned int, Device*) = nullptr;
  Status (*shutdown)() = nullptr;
  const char* (*error_text)(Status) = nullptr;
  Status (*driver_version)(char*, unsigned int) = nullptr;
  Status (*cuda_version)(int*) = nullptr;

  Text name = nullptr;
  Text uuid = nullptr;
  Status (*pci_info)(Device, nvml::PciInfo*) = nullptr;
  Status (*compute_capability)(Device, int*, int*) = nullptr;
  Status (*memory)(Device, nvml::Memory*) = nullptr;
  Number memory_bus_bits = nullptr;
  Status (*compute_processes)(Device, unsigned int*, nvml::ProcessInfo*) = nullptr;
  Status (*graphics_processes)(Device, unsigned int*, nvml::ProcessInfo*) = nullptr;
  Status (*utilization)(Device, nvml::Utilization*) = nullptr;
  Number performance_state = nullptr;
  TwoNumbers mig_mode = nullptr;
  Number persistence_mode = nullptr;
  Number compute_mode = nullptr;
  Number display_active = nullptr;

  TwoNumbers ecc_mode = nullptr;
  Status (*ecc_errors)(Device, unsigned int type, unsigned int counter,
                       unsigned long long*) = nullptr;
  Status (*remapped_rows)(Device, unsigned int* corrected, unsigned int* uncorrected,
                          unsigned int* pending, unsigned int* failed) = nullptr;
  Number retired_pages_pending = nullptr;
  NumberOf temperature = nullptr;
  NumberOf temperature_threshold = nullptr;
  Number power_mw = nullptr;
  Number power_limit_mw = nullptr;
  Number default_power_limit_mw = nullptr;
  NumberOf clock_mhz = nullptr;
  NumberOf max_clock_mhz = nullptr;
  Status (*clock_reasons)(Device, unsigned long long*) = nullptr;

  Number pcie_generation = nullptr;
  Number pcie_max_generation = nullptr;
  Number pcie_width = nullptr;
  Number pcie_max_width = nullptr;
  Number pcie_replays = nullptr;

  NumberOf nvlink_state = nullptr;
  NumberOf nvlink_remote_type = nullptr;
  Status (*nvlink_remote_pci)(Device, unsigned int, nvml::PciInfo*) = nullptr;
  Status (*nvlink_errors)(Device, unsigned int link, unsigned int counter,
                          unsigned long long*) = nullptr;
  Status (*common_ancestor)(Device, Device, unsigned int*) = nullptr;
  Status (*peer_status)(Device, Device, unsigned int capability, unsigned int*) = nullptr;

  // The shared library, if the functions are of one.
  std::shared_ptr<void> library;
};

// Opens libnvidia-ml.so.1; kNotFound: it is not there; the message is the loader's.
base::Result<NvmlApi> load_nvml();

}  // namespace fathom::diagnose
