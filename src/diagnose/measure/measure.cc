// Opens devices and puts their rates together.
#include "diagnose/measure/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "device/device.h"
#include "diagnose/measure/device_rates.h"
#include "diagnose/measure/disk_rate.h"
#include "diagnose/measure/load_samples.h"
#include "diagnose/probes/gpu_probe.h"
#include "diagnose/probes/machine_probe.h"

namespace fathom::diagnose {
namespace {

struct OpenDevice {
  std::unique_ptr<device::Device> device;
  std::optional<std::int64_t> gpu;  // NVML's index
};

// Under CUDA_VISIBLE_DEVICES CUDA's numbers are others than NVML's.
bool numbers_agree(const Facts& facts) {
  return !facts.host.environment ||
         std::ranges::none_of(*facts.host.environment, [](const VariableFacts& variable) {
           return variable.name == "CUDA_VISIBLE_DEVICES";
         });
}

std::vector<OpenDevice> open_devices(const Facts& facts, MeasuredFacts& measured) {
  ::setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
  std::vector<OpenDevice> devices;
  const bool agree = numbers_agree(facts);
  for (std::size_t i = 0; i < facts.gpus.size() && facts.build.cuda_version; ++i) {
    auto device = device::open_device(fmt::format("cuda:{}", i));
    const auto index =
        agree ? std::optional(static_cast<std::int64_t>(i)) : std::optional<std::int64_t>();
    if (device) {
      devices.push_back({.device = *std::move(device), .gpu = index});
    } else if (agree) {
      measured.devices.push_back(
          {.device = fmt::format("GPU {}", i), .gpu = index, .problem = device.error().message});
    }
  }
  if (!devices.empty() || !measured.devices.empty()) return devices;
  auto cpu = device::open_device("cpu");
  if (cpu) devices.push_back({.device = *std::move(cpu)});
  return devices;
}

DeviceQuestion device_question(const device::Device& device, const MeasureQuestion& question) {
  constexpr std::int64_t kManyParameters = 1'000'000'000;
  DeviceQuestion asked{.shape_name = question.shape_name, .shape = question.shape};
  if (device.kind() != device::DeviceKind::kCpu) return asked;
  if (question.shape.total_parameters() > kManyParameters) asked.num_layers = 2;
  asked.context_tokens = 64;
  asked.max_dot_size = 2048;
  return asked;
}

std::function<GpuFacts()> load_reader(const std::shared_ptr<NvmlSession>& session,
                                      const std::optional<std::int64_t>& gpu) {
  if (session == nullptr || !gpu) return {};
  const auto device = session->device(*gpu);
  if (!device) return {};
  return [session, device = *device, index = *gpu] {
    return probe_gpu_load({session->api(), device}, index);
  };
}

// Shared by all devices; null where NVML does not open.
std::shared_ptr<NvmlSession> open_session(const Facts& facts) {
  if (facts.gpus.empty()) return nullptr;
  auto session = NvmlSession::open(load_nvml);
  return session ? std::make_shared<NvmlSession>(*std::move(session)) : nullptr;
}

void measure_pairs(const std::vector<OpenDevice>& devices, MeasuredFacts& measured) {
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  for (const OpenDevice& from : devices) {
    for (const OpenDevice& to : devices) {
      if (&from == &to || !from.gpu || !to.gpu) continue;
      PeerCopyFacts copy =
          measure_peer_copy(*from.device, *to.device, kBytes).value_or(PeerCopyFacts{});
      copy.gpu_a = *from.gpu;
      copy.gpu_b = *to.gpu;
      measured.peer_copies.push_back(copy);
    }
  }
}

// All devices at a time: a machine's power and cooling are shared.
void load_all(const std::vector<OpenDevice>& devices, const MeasureQuestion& question,
              const std::shared_ptr<NvmlSession>& session, DeviceRateFacts* rates) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    LoadQuestion load{.seconds = question.load_seconds,
                      .read_load = load_reader(session, devices[i].gpu)};
    if (devices[i].device->kind() == device::DeviceKind::kCpu) load.max_dot_size = 1024;
    threads.emplace_back([&device = *devices[i].device, load = std::move(load), &own = rates[i]] {
      auto samples = sample_under_load(device, load);
      if (samples) {
        own.samples = *std::move(samples);
      } else {
        own.problem = samples.error().text();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

MeasuredFacts measure(const Facts& facts, const MeasureQuestion& question) {
  const auto say = [&](const std::string& phase) {
    if (question.on_phase) question.on_phase(phase);
  };
  MeasuredFacts measured;
  if (!question.model_files.empty()) {
    say("reading the model's files past the page cache");
    const auto rate = disk_bytes_per_s({.files = question.model_files});
    if (rate) measured.disk_gb_per_s = *rate * 1e-9;
    if (!rate) say(fmt::format("the disk is not measured: {}", rate.error().text()));
  }
  const std::vector<OpenDevice> devices = open_devices(facts, measured);
  const std::shared_ptr<NvmlSession> session = open_session(facts);
  const std::size_t first = measured.devices.size();
  for (const OpenDevice& each : devices) {
    say(fmt::format("{}: copies, memory, products, a decode step", each.device->name()));
    DeviceQuestion asked = device_question(*each.device, question);
    GpuFacts busy;
    if (const auto read_load = load_reader(session, each.gpu)) {
      asked.while_copying = [&busy, read_load] { busy = read_load(); };
    }
    DeviceRateFacts rates = measure_device(*each.device, asked);
    rates.gpu = each.gpu;
    rates.busy_pcie_generation = busy.pcie.generation;
    rates.busy_pcie_width = busy.pcie.width;
    measured.devices.push_back(std::move(rates));
  }
  if (devices.size() > 1) {
    say("copies between GPUs");
    measure_pairs(devices, measured);
  }
  if (question.load_seconds > 0 && !devices.empty()) {
    say(fmt::format("load for {:.0f} s", question.load_seconds));
    load_all(devices, question, session, &measured.devices[first]);
  }
  return measured;
}

}  // namespace fathom::diagnose
