// Kernel, container, WSL2, Jetson, and whether NVIDIA hardware and its driver are there.
#include <algorithm>
#include <cctype>
#include <string_view>

#include "diagnose/probes/host_probe.h"

namespace fathom::diagnose {
namespace {

bool has_variable(const std::vector<std::string>& environment, std::string_view start) {
  return std::ranges::any_of(environment,
                             [&](const std::string& each) { return each.starts_with(start); });
}

std::string container_of(const base::SystemFiles& files,
                         const std::vector<std::string>& environment) {
  if (has_variable(environment, "KUBERNETES_SERVICE_HOST=")) return "kubernetes";
  if (files.exists("/run/.containerenv")) return "podman";
  if (files.exists("/.dockerenv")) return "docker";
  const std::string groups = files.text("/proc/1/cgroup").value_or("");
  for (const char* const each : {"kubepods", "docker", "lxc"}) {
    if (groups.find(each) != std::string::npos) {
      return std::string_view(each) == "kubepods" ? "kubernetes" : each;
    }
  }
  return has_variable(environment, "container=lxc") ? "lxc" : "none";
}

std::optional<std::string> jetson_model(const base::SystemFiles& files) {
  auto model = files.text("/proc/device-tree/model");
  if (model && model->find("Jetson") != std::string::npos) {
    while (!model->empty() && model->back() == '\0') model->pop_back();
    return model;
  }
  if (files.exists("/etc/nv_tegra_release")) return "Jetson (model unknown)";
  return std::nullopt;
}

std::optional<std::int64_t> count_pci_devices(const base::SystemFiles& files) {
  const auto names = files.names("/sys/bus/pci/devices");
  if (!names) return std::nullopt;
  return std::ranges::count_if(*names, [&](const std::string& name) {
    const std::string folder = "/sys/bus/pci/devices/" + name;
    // Class 3: display and 3D controllers.
    return files.text(folder + "/vendor") == "0x10de" &&
           files.text(folder + "/class").value_or("").starts_with("0x03");
  });
}

std::optional<std::int64_t> count_device_nodes(const base::SystemFiles& files) {
  const auto names = files.names("/dev");
  if (!names) return std::nullopt;
  return std::ranges::count_if(*names, [](const std::string& name) {
    return name.size() > 6 && name.starts_with("nvidia") &&
           std::all_of(name.begin() + 6, name.end(),
                       [](unsigned char each) { return std::isdigit(each) != 0; });
  });
}

}  // namespace

PlatformFacts probe_platform(const base::SystemFiles& files,
                             const std::vector<std::string>& environment) {
  PlatformFacts platform;
  platform.kernel_release = files.text("/proc/sys/kernel/osrelease");
  platform.machine = files.text("/proc/sys/kernel/arch");
  if (!platform.machine) {
#if defined(__x86_64__)
    platform.machine = "x86_64";
#elif defined(__aarch64__)
    platform.machine = "aarch64";
#endif
  }
  if (platform.kernel_release) {
    std::string lower = *platform.kernel_release;
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char each) { return std::tolower(each); });
    platform.is_wsl = lower.find("microsoft") != std::string::npos;
  }
  platform.jetson_model = jetson_model(files);
  platform.container = container_of(files, environment);
  platform.num_nvidia_pci_devices = count_pci_devices(files);
  platform.nvidia_module_version = files.text("/sys/module/nvidia/version");
  platform.num_nvidia_device_nodes = count_device_nodes(files);
  const auto infiniband = files.names("/sys/class/infiniband");
  platform.has_infiniband = infiniband && !infiniband->empty();
  return platform;
}

}  // namespace fathom::diagnose
