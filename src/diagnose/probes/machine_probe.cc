// Opens NVML, asks about each GPU and each pair, and adds what the kernel's log says.
#include "diagnose/probes/machine_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "diagnose/probes/deadline.h"
#include "diagnose/probes/gpu_probe.h"
#include "diagnose/probes/host_probe.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {

using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

constexpr std::int64_t kMaxGpus = 64;

const char* problem_of(nvml::Status status) {
  switch (status) {
    case nvml::kDriverNotLoaded:
      return nvml_problem::kNotLoaded;
    case nvml::kLibraryMismatch:
      return nvml_problem::kMismatch;
    case nvml::kNoPermission:
      return nvml_problem::kNoPermission;
    default:
      return nvml_problem::kOther;
  }
}

DriverFacts driver_of(const NvmlApi& api) {
  DriverFacts driver;
  std::array<char, 128> version{};
  if (api.driver_version != nullptr &&
      api.driver_version(version.data(), version.size()) == nvml::kSuccess) {
    driver.version =
        printable(std::string(version.begin(), std::find(version.begin(), version.end(), '\0')));
  }
  int cuda = 0;
  if (api.cuda_version != nullptr && api.cuda_version(&cuda) == nvml::kSuccess && cuda >= 1000 &&
      cuda < 1'000'000) {
    driver.cuda_version = fmt::format("{}.{}", cuda / 1000, cuda % 1000 / 10);
  }
  return driver;
}

std::optional<std::string> path_text(const NvmlReader& reader, nvml::Device other) {
  const auto level = reader.number(reader.api().common_ancestor, 50, other);
  if (!level) return std::nullopt;
  switch (*level) {
    case 0:
      return "BOARD";
    case 10:
      return "PIX";
    case 20:
      return "PXB";
    case 30:
      return "PHB";
    case 40:
      return "NODE";
    case 50:
      return "SYS";
    default:
      return std::nullopt;
  }
}

std::optional<std::string> peer_text(const NvmlReader& reader, nvml::Device other) {
  constexpr unsigned int kRead = 0;
  constexpr std::array kTexts{"ok",
                              "the chipset does not support it",
                              "the GPUs do not support it",
                              "the bus between them does not support it",
                              "switched off in the driver's settings",
                              "not supported"};
  const auto status = reader.number(reader.api().peer_status, kTexts.size() - 1, other, kRead);
  return status ? std::optional<std::string>(kTexts[static_cast<std::size_t>(*status)])
                : std::nullopt;
}

// Active links of one GPU that lead to the other, or to switches, which reach every GPU that has
// links to them.
std::optional<std::int64_t> count_nvlinks(const GpuFacts& one, const GpuFacts& other) {
  if (!one.nvlinks || !other.nvlinks) return std::nullopt;
  const auto leads_to = [](const NvLinkFacts& link, const GpuFacts& gpu) {
    return link.is_active.value_or(false) && link.remote_type != "switch" &&
           link.remote_pci_bus_id && gpu.pci_bus_id &&
           short_pci_address(*link.remote_pci_bus_id) == short_pci_address(*gpu.pci_bus_id);
  };
  const auto to_switch = [](const NvLinkFacts& link) {
    return link.is_active.value_or(false) && link.remote_type == "switch";
  };
  const auto straight = std::ranges::count_if(
      *one.nvlinks, [&](const NvLinkFacts& link) { return leads_to(link, other); });
  const auto switched = std::min(std::ranges::count_if(*one.nvlinks, to_switch),
                                 std::ranges::count_if(*other.nvlinks, to_switch));
  return straight + switched;
}

LinkFacts link_of(const NvmlApi& api, const std::vector<nvml::Device>& devices,
                  const std::vector<GpuFacts>& gpus, std::pair<std::size_t, std::size_t> pair) {
  const auto [a, b] = pair;
  LinkFacts link{.gpu_a = gpus[a].index, .gpu_b = gpus[b].index};
  link.num_nvlinks = count_nvlinks(gpus[a], gpus[b]);
  if (devices[a] == nullptr || devices[b] == nullptr) return link;
  const NvmlReader reader(api, devices[a]);
  link.path = path_text(reader, devices[b]);
  link.peer_access = peer_text(reader, devices[b]);
  return link;
}

void add_xids(const base::SystemFiles& files, std::vector<GpuFacts>& gpus) {
  const auto xids = probe_xids(files);
  if (!xids) return;
  for (GpuFacts& gpu : gpus) {
    if (!gpu.pci_bus_id) continue;
    const auto of_gpu = xids->find(short_pci_address(*gpu.pci_bus_id));
    gpu.health.xids = of_gpu == xids->end() ? std::vector<XidFacts>{} : of_gpu->second;
  }
}

GpuReport report_of(const base::SystemFiles& files, const NvmlLoader& load) {
  GpuReport report;
  const auto session = NvmlSession::open(load);
  if (!session) {
    report.driver.problem = session.error().where;
    report.driver.problem_text = session.error().message;
    return report;
  }
  report.driver = driver_of(session->api());
  const auto count = session->count();
  if (!count) {
    report.driver.problem = nvml_problem::kOther;
    report.driver.problem_text = count.error().message;
    return report;
  }
  std::vector<nvml::Device> devices;
  for (std::int64_t index = 0; index < *count; ++index) {
    const auto device = session->device(index);
    devices.push_back(device ? *device : nullptr);
    if (device) {
      report.gpus.push_back(probe_gpu({session->api(), *device}, files, index));
    } else {
      report.gpus.push_back({.index = index, .problem = device.error().message});
    }
  }
  for (std::size_t a = 0; a < report.gpus.size(); ++a) {
    for (std::size_t b = a + 1; b < report.gpus.size(); ++b) {
      report.links.push_back(link_of(session->api(), devices, report.gpus, {a, b}));
    }
  }
  add_xids(files, report.gpus);
  return report;
}

}  // namespace

Result<NvmlSession> NvmlSession::open(const NvmlLoader& load) {
  auto api = load();
  if (!api) return fail(ErrorCode::kNotFound, nvml_problem::kNoLibrary, "{}", api.error().message);
  NvmlSession session(*std::move(api));
  const nvml::Status status = session.api_.init();
  if (status != nvml::kSuccess) {
    return fail(ErrorCode::kUnavailable, problem_of(status), "{}", session.text_of(status));
  }
  session.is_open_ = true;
  return session;
}

NvmlSession::NvmlSession(NvmlSession&& other) noexcept
    : api_(std::move(other.api_)), is_open_(std::exchange(other.is_open_, false)) {}

NvmlSession::~NvmlSession() {
  if (is_open_ && api_.shutdown != nullptr) api_.shutdown();
}

Result<std::int64_t> NvmlSession::count() const {
  unsigned int count = 0;
  const nvml::Status status = api_.count(&count);
  if (status != nvml::kSuccess) {
    return fail(ErrorCode::kUnavailable, "", "counting GPUs: {}", text_of(status));
  }
  if (count > kMaxGpus) {
    return fail(ErrorCode::kUnavailable, "", "counting GPUs: {} are more than can be", count);
  }
  return std::int64_t{count};
}

Result<nvml::Device> NvmlSession::device(std::int64_t index) const {
  nvml::Device device = nullptr;
  const nvml::Status status = api_.handle(static_cast<unsigned int>(index), &device);
  if (status != nvml::kSuccess || device == nullptr) {
    return fail(ErrorCode::kUnavailable, "", "{}", text_of(status));
  }
  return device;
}

std::string NvmlSession::text_of(nvml::Status status) const {
  const char* const text = api_.error_text == nullptr ? nullptr : api_.error_text(status);
  return text == nullptr ? fmt::format("NVML error {}", status) : printable(text);
}

GpuReport probe_gpus(const base::SystemFiles& files, const NvmlLoader& load,
                     std::chrono::milliseconds timeout) {
  auto report = run_with_deadline([files, load] { return report_of(files, load); }, timeout);
  if (report) return *std::move(report);
  GpuReport hangs;
  hangs.driver.problem = nvml_problem::kHangs;
  hangs.driver.problem_text =
      fmt::format("no answer within {:.3g} s", std::chrono::duration<double>(timeout).count());
  return hangs;
}

}  // namespace fathom::diagnose
