// Finds NVML's functions by name.
#include <dlfcn.h>

#include "diagnose/probes/nvml_api.h"

namespace fathom::diagnose {
namespace {

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
}

// The first of two names that is there: newer drivers have the one, older ones the other.
template <typename Function>
void find(void* library, const char* name, const char* older_name, Function& function) {
  find(library, name, function);
  if (function == nullptr) find(library, older_name, function);
}

void find_basics(void* library, NvmlApi& api) {
  find(library, "nvmlInit_v2", api.init);
  find(library, "nvmlDeviceGetCount_v2", api.count);
  find(library, "nvmlDeviceGetHandleByIndex_v2", api.handle);
  find(library, "nvmlShutdown", api.shutdown);
  find(library, "nvmlErrorString", api.error_text);
  find(library, "nvmlSystemGetDriverVersion", api.driver_version);
  find(library, "nvmlSystemGetCudaDriverVersion_v2", api.cuda_version);
  find(library, "nvmlDeviceGetName", api.name);
  find(library, "nvmlDeviceGetUUID", api.uuid);
  find(library, "nvmlDeviceGetPciInfo_v3", api.pci_info);
  find(library, "nvmlDeviceGetCudaComputeCapability", api.compute_capability);
  find(library, "nvmlDeviceGetMemoryInfo", api.memory);
  find(library, "nvmlDeviceGetMemoryBusWidth", api.memory_bus_bits);
  find(library, "nvmlDeviceGetComputeRunningProcesses_v3", api.compute_processes);
  find(library, "nvmlDeviceGetGraphicsRunningProcesses_v3", api.graphics_processes);
  find(library, "nvmlDeviceGetUtilizationRates", api.utilization);
  find(library, "nvmlDeviceGetPerformanceState", api.performance_state);
  find(library, "nvmlDeviceGetMigMode", api.mig_mode);
  find(library, "nvmlDeviceGetPersistenceMode", api.persistence_mode);
  find(library, "nvmlDeviceGetComputeMode", api.compute_mode);
  find(library, "nvmlDeviceGetDisplayActive", api.display_active);
}

void find_health(void* library, NvmlApi& api) {
  find(library, "nvmlDeviceGetEccMode", api.ecc_mode);
  find(library, "nvmlDeviceGetTotalEccErrors", api.ecc_errors);
  find(library, "nvmlDeviceGetRemappedRows", api.remapped_rows);
  find(library, "nvmlDeviceGetRetiredPagesPendingStatus", api.retired_pages_pending);
  find(library, "nvmlDeviceGetTemperature", api.temperature);
  find(library, "nvmlDeviceGetTemperatureThreshold", api.temperature_threshold);
  find(library, "nvmlDeviceGetPowerUsage", api.power_mw);
  find(library, "nvmlDeviceGetEnforcedPowerLimit", api.power_limit_mw);
  find(library, "nvmlDeviceGetPowerManagementDefaultLimit", api.default_power_limit_mw);
  find(library, "nvmlDeviceGetClockInfo", api.clock_mhz);
  find(library, "nvmlDeviceGetMaxClockInfo", api.max_clock_mhz);
  find(library, "nvmlDeviceGetCurrentClocksEventReasons",
       "nvmlDeviceGetCurrentClocksThrottleReasons", api.clock_reasons);
}

void find_links(void* library, NvmlApi& api) {
  find(library, "nvmlDeviceGetCurrPcieLinkGeneration", api.pcie_generation);
  find(library, "nvmlDeviceGetMaxPcieLinkGeneration", api.pcie_max_generation);
  find(library, "nvmlDeviceGetCurrPcieLinkWidth", api.pcie_width);
  find(library, "nvmlDeviceGetMaxPcieLinkWidth", api.pcie_max_width);
  find(library, "nvmlDeviceGetPcieReplayCounter", api.pcie_replays);
  find(library, "nvmlDeviceGetNvLinkState", api.nvlink_state);
  find(library, "nvmlDeviceGetNvLinkRemoteDeviceType", api.nvlink_remote_type);
  find(library, "nvmlDeviceGetNvLinkRemotePciInfo_v2", api.nvlink_remote_pci);
  find(library, "nvmlDeviceGetNvLinkErrorCounter", api.nvlink_errors);
  find(library, "nvmlDeviceGetTopologyCommonAncestor", api.common_ancestor);
  find(library, "nvmlDeviceGetP2PStatus", api.peer_status);
}

}  // namespace

base::Result<NvmlApi> load_nvml() {
  constexpr const char* kLibrary = "libnvidia-ml.so.1";
  std::shared_ptr<void> library(::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL), [](void* opened) {
    if (opened != nullptr) ::dlclose(opened);
  });
  if (library == nullptr) {
    const char* const reason = ::dlerror();
    return base::fail(base::ErrorCode::kNotFound, kLibrary, "{}",
                      reason == nullptr ? "it cannot be opened" : reason);
  }
  NvmlApi api;
  find_basics(library.get(), api);
  find_health(library.get(), api);
  find_links(library.get(), api);
  if (api.init == nullptr || api.count == nullptr || api.handle == nullptr) {
    return base::fail(base::ErrorCode::kNotFound, kLibrary, "it has none of NVML's functions");
  }
  api.library = std::move(library);
  return api;
}

}  // namespace fathom::diagnose
