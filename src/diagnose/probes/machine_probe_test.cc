// GPUs through a table of functions that stands for NVML: whole, broken, lying, and silent.
#include "diagnose/probes/machine_probe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <string>
#include <thread>

namespace fathom::diagnose {
namespace {

using nvml::Device;
using nvml::Status;

// Two devices: the addresses of these.
int first_device = 0;
int second_device = 0;

bool is_first(Device device) { return device == &first_device; }

// An API of two good GPUs with four links straight to each other.
NvmlApi good_api() {
  NvmlApi api;
  api.init = [] { return Status{0}; };
  api.shutdown = [] { return Status{0}; };
  api.count = [](unsigned int* count) { return *count = 2, Status{0}; };
  api.handle = [](unsigned int index, Device* device) {
    *device = index == 0 ? &first_device : &second_device;
    return Status{0};
  };
  api.error_text = [](Status) -> const char* { return "bad \x1b[31m thing"; };
  api.driver_version = [](char* text, unsigned int) {
    return std::strcpy(text, "580.65.06"), Status{0};
  };
  api.cuda_version = [](int* version) { return *version = 13000, Status{0}; };
  api.name = [](Device, char* text, unsigned int) {
    return std::strcpy(text, "NVIDIA RTX A6000"), Status{0};
  };
  api.pci_info = [](Device device, nvml::PciInfo* info) {
    return std::strcpy(info->bus_id.data(),
                       is_first(device) ? "00000000:1B:00.0" : "00000000:43:00.0"),
           Status{0};
  };
  api.compute_capability = [](Device, int* major, int* minor) {
    return *major = 8, *minor = 6, Status{0};
  };
  api.memory = [](Device, nvml::Memory* memory) {
    return *memory = {.total = 1000, .free = 400, .used = 600}, Status{0};
  };
  api.compute_processes = [](Device, unsigned int* count, nvml::ProcessInfo* found) {
    found[0] = {.pid = 10, .used_bytes = 100};
    found[1] = {.pid = 11, .used_bytes = ~0ULL};
    return *count = 2, Status{0};
  };
  api.clock_reasons = [](Device, unsigned long long* bits) { return *bits = 0x24, Status{0}; };
  api.nvlink_state = [](Device, unsigned int link, unsigned int* state) {
    if (link >= 4) return Status{2};
    return *state = 1, Status{0};
  };
  api.nvlink_remote_type = [](Device, unsigned int, unsigned int* type) {
    return *type = 0, Status{0};
  };
  api.nvlink_remote_pci = [](Device device, unsigned int, nvml::PciInfo* info) {
    return std::strcpy(info->bus_id.data(),
                       is_first(device) ? "00000000:43:00.0" : "00000000:1B:00.0"),
           Status{0};
  };
  api.nvlink_errors = [](Device, unsigned int link, unsigned int counter,
                         unsigned long long* errors) {
    return *errors = counter == 2 ? link : 0, Status{0};
  };
  api.common_ancestor = [](Device, Device, unsigned int* level) { return *level = 30, Status{0}; };
  api.peer_status = [](Device, Device, unsigned int, unsigned int* status) {
    return *status = 4, Status{0};
  };
  return api;
}

GpuReport report_of(const NvmlApi& api) {
  return probe_gpus(base::SystemFiles("/nowhere"),
                    [api]() -> base::Result<NvmlApi> { return api; });
}

TEST(MachineProbe, ReadsWhatNvmlSays) {
  const GpuReport report = report_of(good_api());
  EXPECT_FALSE(report.driver.problem);
  EXPECT_EQ(report.driver.version, "580.65.06");
  EXPECT_EQ(report.driver.cuda_version, "13.0");
  ASSERT_EQ(report.gpus.size(), 2U);
  const GpuFacts& gpu = report.gpus[0];
  EXPECT_EQ(gpu.name, "NVIDIA RTX A6000");
  EXPECT_EQ(gpu.architecture, 86);
  EXPECT_EQ(gpu.memory.free_bytes, 400);
  ASSERT_EQ(gpu.memory.processes->size(), 2U);
  EXPECT_EQ(gpu.memory.processes->at(0).used_bytes, 100);
  EXPECT_FALSE(gpu.memory.processes->at(1).used_bytes);  // NVML's "not available"
  EXPECT_EQ(*gpu.health.clock_reasons,
            (std::vector<std::string>{"power cap", "thermal (software)"}));
  ASSERT_EQ(gpu.nvlinks->size(), 4U);
  EXPECT_EQ(gpu.nvlinks->at(3).crc_errors, 3);
  EXPECT_FALSE(gpu.pcie.width);
  EXPECT_FALSE(gpu.health.xids);
  ASSERT_EQ(report.links.size(), 1U);
  EXPECT_EQ(report.links[0].path, "PHB");
  EXPECT_EQ(report.links[0].num_nvlinks, 4);
  EXPECT_EQ(report.links[0].peer_access, "switched off in the driver's settings");
}

TEST(MachineProbe, TakesNoValueThatCannotBeTrue) {
  NvmlApi api = good_api();
  api.memory = [](Device, nvml::Memory* memory) {
    return *memory = {.total = 1000, .free = ~0ULL, .used = 2000}, Status{0};
  };
  api.compute_capability = [](Device, int* major, int* minor) {
    return *major = -7, *minor = 99, Status{0};
  };
  const auto huge = [](Device, unsigned int* value) { return *value = 0xFFFFFFFF, Status{0}; };
  api.pcie_width = huge;
  api.pcie_generation = huge;
  api.power_mw = huge;
  api.persistence_mode = huge;
  api.compute_mode = huge;
  api.temperature = [](Device, unsigned int, unsigned int* value) {
    return *value = 0xFFFFFFFF, Status{0};
  };
  api.utilization = [](Device, nvml::Utilization* value) {
    return *value = {.gpu = 101, .memory = 0}, Status{0};
  };
  api.common_ancestor = [](Device, Device, unsigned int* level) { return *level = 33, Status{0}; };
  api.peer_status = [](Device, Device, unsigned int, unsigned int* status) {
    return *status = 77, Status{0};
  };
  // Neither ends with a zero nor is UTF-8.
  api.name = [](Device, char* text, unsigned int size) {
    return std::memset(text, 0xFF, size), Status{0};
  };
  api.cuda_version = [](int* version) { return *version = -1, Status{0}; };
  // More than were asked for.
  api.compute_processes = [](Device, unsigned int* count, nvml::ProcessInfo*) {
    return *count = 4'000'000'000U, nvml::kInsufficientSize;
  };
  const GpuReport report = report_of(api);
  const GpuFacts& gpu = report.gpus.at(0);
  EXPECT_EQ(gpu.memory.total_bytes, 1000);
  EXPECT_FALSE(gpu.memory.used_bytes);
  EXPECT_FALSE(gpu.architecture);
  EXPECT_FALSE(gpu.pcie.width);
  EXPECT_FALSE(gpu.pcie.generation);
  EXPECT_FALSE(gpu.health.power_w);
  EXPECT_FALSE(gpu.health.temperature_c);
  EXPECT_FALSE(gpu.persistence_enabled);
  EXPECT_FALSE(gpu.compute_mode);
  EXPECT_FALSE(gpu.utilization_percent);
  EXPECT_EQ(gpu.name->find_first_not_of('?'), std::string::npos);
  EXPECT_TRUE(gpu.memory.processes->empty());
  EXPECT_FALSE(report.driver.cuda_version);
  EXPECT_FALSE(report.links.at(0).path);
  EXPECT_FALSE(report.links.at(0).peer_access);
}

TEST(MachineProbe, NeedsNoFunctionBeyondThree) {
  const NvmlApi good = good_api();
  NvmlApi api;
  api.init = good.init;
  api.count = good.count;
  api.handle = good.handle;
  const GpuReport report = report_of(api);
  ASSERT_EQ(report.gpus.size(), 2U);
  EXPECT_FALSE(report.gpus[0].nvlinks);
  EXPECT_FALSE(report.gpus[0].memory.processes);
  EXPECT_FALSE(report.links.at(0).num_nvlinks);
}

TEST(MachineProbe, SaysWhatIsWrong) {
  NvmlApi api = good_api();
  api.init = [] { return nvml::kLibraryMismatch; };
  EXPECT_EQ(report_of(api).driver.problem, nvml_problem::kMismatch);
  api.init = [] { return nvml::kDriverNotLoaded; };
  EXPECT_EQ(report_of(api).driver.problem, nvml_problem::kNotLoaded);
  api = good_api();
  api.count = [](unsigned int* count) { return *count = 1'000'000, Status{0}; };
  EXPECT_EQ(report_of(api).driver.problem, nvml_problem::kOther);
  api = good_api();
  api.handle = [](unsigned int index, Device* device) {
    *device = &first_device;
    return index == 0 ? Status{0} : Status{15};
  };
  const GpuReport report = report_of(api);
  EXPECT_FALSE(report.gpus.at(0).problem);
  EXPECT_EQ(report.gpus.at(1).problem, "bad ?[31m thing");
  const GpuReport none = probe_gpus(base::SystemFiles("/"), []() -> base::Result<NvmlApi> {
    return base::fail(base::ErrorCode::kNotFound, "x", "no such file");
  });
  EXPECT_EQ(none.driver.problem, nvml_problem::kNoLibrary);
  EXPECT_TRUE(none.gpus.empty());
}

TEST(MachineProbe, DoesNotWaitForADriverThatHangs) {
  NvmlApi api = good_api();
  api.init = [] {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    return Status{9};
  };
  const auto start = std::chrono::steady_clock::now();
  const GpuReport report = probe_gpus(
      base::SystemFiles("/"), [api]() -> base::Result<NvmlApi> { return api; },
      std::chrono::milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_EQ(report.driver.problem, nvml_problem::kHangs);
}

}  // namespace
}  // namespace fathom::diagnose
