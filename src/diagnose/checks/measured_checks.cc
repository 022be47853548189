// What levels 2 and 3 measured, against what the hardware should give.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "diagnose/checks/gpu_text.h"
#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kFailed{"measurement-failed", Severity::kWarning,
                              "a device could not be measured"};
constexpr FindingKind kWrong{"copy-corrupted", Severity::kError,
                             "copied data was not what had been sent"};
constexpr FindingKind kLoad{"load-slow", Severity::kWarning,
                            "at the measured rates the model loads in over 10 s"};
constexpr FindingKind kRead{"memory-bandwidth-low", Severity::kWarning,
                            "a GPU reads its memory at under 75 % of its datasheet"};
constexpr FindingKind kHostCopy{"host-copy-slow", Severity::kWarning,
                                "copies to the GPU reach under 60 % of the PCIe link"};
constexpr FindingKind kBusyLink{"pcie-slow-under-load", Severity::kWarning,
                                "a copying GPU's PCIe link is below its best"};
constexpr FindingKind kPeer{"slow-collectives", Severity::kWarning,
                            "copies between GPUs are slower than their links"};
constexpr FindingKind kDecode{"decode-far-from-limit", Severity::kWarning,
                              "decoding reaches under half of what the measured bandwidth allows"};
constexpr FindingKind kDrift{"slower-under-load", Severity::kWarning,
                             "the rate fell by over 10 % while the load lasted"};
constexpr FindingKind kHeat{"throttled-under-load", Severity::kWarning,
                            "heat or the power supply lowered the clocks under load"};
constexpr std::array kKinds{kFailed,   kWrong, kLoad,   kRead,  kHostCopy,
                            kBusyLink, kPeer,  kDecode, kDrift, kHeat};

constexpr double kLoadSeconds = 10;
constexpr double kReadShare = 0.75;
constexpr double kCopyShare = 0.6;
constexpr double kDecodeShare = 0.5;
// Steps that read less are bound by launches and threads, whatever the memory gives.
constexpr double kLeastJudgedGb = 0.3;
constexpr double kDriftShare = 0.9;

const GpuFacts* gpu_of(const Facts& facts, const DeviceRateFacts& device) {
  const auto found = std::ranges::find_if(
      facts.gpus, [&](const GpuFacts& gpu) { return device.gpu == gpu.index; });
  return found == facts.gpus.end() ? nullptr : &*found;
}

// Two transfers a clock on every line of the bus.
std::optional<double> datasheet_gb_per_s(const GpuFacts& gpu) {
  if (!gpu.memory.bus_bits || !gpu.health.max_memory_clock_mhz) return std::nullopt;
  return static_cast<double>(*gpu.memory.bus_bits) / 8 * 2 *
         static_cast<double>(*gpu.health.max_memory_clock_mhz) * 1e-3;
}

// Of all lanes in one direction, after the line's coding.
std::optional<double> pcie_gb_per_s(const PcieFacts& pcie) {
  constexpr std::array kLane{0.25, 0.5, 0.985, 1.969, 3.938, 7.56};
  const std::int64_t generation = pcie.max_generation.value_or(0);
  if (!pcie.width || generation < 1 || generation > 6) return std::nullopt;
  return kLane[static_cast<std::size_t>(generation - 1)] * static_cast<double>(*pcie.width);
}

void check_data(const MeasuredFacts& measured, Findings& findings) {
  std::string where;
  for (const DeviceRateFacts& device : measured.devices) {
    if (device.copied_data_equal != false) continue;
    where += fmt::format("{}host and {}", where.empty() ? "" : "; ", device.device);
  }
  for (const PeerCopyFacts& copy : measured.peer_copies) {
    if (copy.data_equal != false) continue;
    where += fmt::format("{}GPU {} and GPU {}", where.empty() ? "" : "; ", copy.gpu_a, copy.gpu_b);
  }
  if (where.empty()) return;
  findings.push_back(make_finding(
      kWrong, {.evidence = fmt::format("Data changed on the way between {}.", where),
               .consequence = "Answers are wrong, without any error.",
               .fix = "Between GPUs: switch off PCIe access control services (ACS) and the IOMMU's "
                      "translation, or NCCL_P2P_DISABLE=1 until then. Otherwise test the memory.",
               .next_command = "nvidia-smi topo -p2p r"}));
}

void check_load(const CheckInput& input, const MeasuredFacts& measured, Findings& findings) {
  if (input.model == nullptr) return;
  const double disk = measured.disk_gb_per_s.value_or(0);
  double copy = 0;  // the slowest device's
  for (const DeviceRateFacts& device : measured.devices) {
    const double rate = device.host_to_device_gb_per_s.value_or(0);
    if (rate > 0 && (copy <= 0 || rate < copy)) copy = rate;
  }
  if (disk <= 0 && copy <= 0) return;
  const bool is_disk = disk > 0 && (copy <= 0 || disk < copy);
  const double gigabytes = static_cast<double>(input.model->weights_16_bit) * 1e-9;
  const double seconds = gigabytes / (is_disk ? disk : copy);
  if (seconds <= kLoadSeconds) return;
  findings.push_back(make_finding(
      kLoad,
      {.evidence =
           fmt::format("Disk {:.2f} GB/s, copy to the device {:.1f} GB/s; {} has {:.1f} GB.", disk,
                       copy, input.model->name, gigabytes),
       .consequence = fmt::format("A cold start takes {:.0f} s; {:.0f} s need {:.1f} GB/s.",
                                  seconds, kLoadSeconds, gigabytes / kLoadSeconds),
       .fix = is_disk ? "Put the model on an NVMe disk, or keep memory free so that the page cache "
                        "holds it for the next start."
                      : "The copy bounds it, not the disk: see the PCIe link.",
       .next_command = "lsblk -d -o NAME,ROTA,TRAN,MODEL"}));
}

void check_gpu_rates(const DeviceRateFacts& measured, const GpuFacts& gpu, Findings& findings) {
  const auto datasheet = datasheet_gb_per_s(gpu);
  if (measured.read_gb_per_s && datasheet && *measured.read_gb_per_s < kReadShare * *datasheet) {
    findings.push_back(make_finding(
        kRead,
        {.evidence = fmt::format("{}: reads {:.0f} GB/s of {:.0f} GB/s.", label(gpu),
                                 *measured.read_gb_per_s, *datasheet),
         .consequence = "Decoding slows down in proportion.",
         .fix = "Look who else uses the GPU, and at clocks, ECC and temperature.",
         .next_command = fmt::format("nvidia-smi -i {} -q -d CLOCK,PERFORMANCE,ECC", gpu.index)}));
  }
  const auto link = pcie_gb_per_s(gpu.pcie);
  if (measured.host_to_device_gb_per_s && link &&
      *measured.host_to_device_gb_per_s < kCopyShare * *link) {
    findings.push_back(make_finding(
        kHostCopy,
        {.evidence = fmt::format("{}: {:.1f} GB/s to the GPU; its link gives {:.0f} GB/s.",
                                 label(gpu), *measured.host_to_device_gb_per_s, *link),
         .consequence = "Models load more slowly.",
         .fix = "Run near the GPU's NUMA node; check the slot and other devices on its "
                "switch.",
         .next_command = "fathom topo"}));
  }
  const bool is_narrow = measured.busy_pcie_width && gpu.pcie.max_width &&
                         *measured.busy_pcie_width < *gpu.pcie.max_width;
  const bool is_old = measured.busy_pcie_generation && gpu.pcie.max_generation &&
                      *measured.busy_pcie_generation < *gpu.pcie.max_generation;
  if (is_narrow || is_old) {
    findings.push_back(make_finding(
        kBusyLink, {.evidence = fmt::format(
                        "{}: while data was copied the link was at generation {} x{}; it "
                        "can do generation {} x{}.",
                        label(gpu), measured.busy_pcie_generation.value_or(0),
                        measured.busy_pcie_width.value_or(0), gpu.pcie.max_generation.value_or(0),
                        gpu.pcie.max_width.value_or(0)),
                    .consequence = "This is no sleeping link: loading and copies are slower.",
                    .fix = "Seat the card again; check slot, riser and firmware settings.",
                    .next_command = fmt::format("nvidia-smi -i {} -q | grep -A12 'GPU Link Info'",
                                                gpu.index)}));
  }
}

void check_peers(const Facts& facts, const MeasuredFacts& measured, Findings& findings) {
  // Round figures well below what each path gives in one direction.
  constexpr double kNvlinkGbPerS = 8;
  constexpr double kPcieGbPerS = 6;
  for (const PeerCopyFacts& copy : measured.peer_copies) {
    if (!copy.gb_per_s) continue;
    const auto link = std::ranges::find_if(facts.links, [&](const LinkFacts& each) {
      return (each.gpu_a == copy.gpu_a && each.gpu_b == copy.gpu_b) ||
             (each.gpu_a == copy.gpu_b && each.gpu_b == copy.gpu_a);
    });
    const std::int64_t nvlinks = link == facts.links.end() ? 0 : link->num_nvlinks.value_or(0);
    const double expected =
        nvlinks > 0 ? kNvlinkGbPerS * static_cast<double>(nvlinks) : kPcieGbPerS;
    if (*copy.gb_per_s >= expected) continue;
    findings.push_back(make_finding(
        kPeer,
        {.evidence = fmt::format(
             "GPU {} to GPU {}: {:.1f} GB/s; over {} at least {:.0f} are "
             "expected.",
             copy.gpu_a, copy.gpu_b, *copy.gb_per_s,
             nvlinks > 0 ? fmt::format("{} NVLinks", nvlinks) : std::string("PCIe"), expected),
         .consequence = "Tensor parallel sums every layer's output over this path, 60 times "
                        "a token in a model of 30 layers.",
         .fix = "Check NVLink's state and errors, peer access, ACS and IOMMU; NCCL_DEBUG "
                "shows the way taken, not its time. Replicas do not need the path.",
         .next_command = "nvidia-smi nvlink -s; nvidia-smi topo -p2p r"}));
  }
}

void check_decode(const DeviceRateFacts& measured, Findings& findings) {
  if (!measured.decode_tokens_per_s || measured.decode_limit_tokens_per_s.value_or(0) <= 0) return;
  if (measured.read_gb_per_s.value_or(0) < kLeastJudgedGb * *measured.decode_limit_tokens_per_s) {
    return;
  }
  const double share = *measured.decode_tokens_per_s / *measured.decode_limit_tokens_per_s;
  if (share >= kDecodeShare) return;
  findings.push_back(make_finding(
      kDecode, {.evidence = fmt::format("{} on {}: {:.1f} tokens/s, {:.0f} % of {:.1f}.",
                                        measured.decode_shape.value_or("Decoding"), measured.device,
                                        *measured.decode_tokens_per_s, 100 * share,
                                        *measured.decode_limit_tokens_per_s),
                .consequence = "The memory could feed more than twice the tokens.",
                .fix = "Look for what else runs, at clocks, launches and host; a step that is this "
                       "far off is not bound by bandwidth.",
                .next_command = "fathom bench shape deepseek-llm-7b"}));
}

void check_samples(const DeviceRateFacts& measured, Findings& findings) {
  if (!measured.samples || measured.samples->size() < 2) return;
  // The first round may be slow for being the first, and any round for a neighbour.
  const auto rate = [](const SampleFacts& sample) { return sample.read_gb_per_s.value_or(0); };
  const auto middle =
      measured.samples->begin() + static_cast<std::ptrdiff_t>((measured.samples->size() + 1) / 2);
  const auto best = std::ranges::max_element(*measured.samples, {}, rate);
  const auto late = std::ranges::max_element(middle, measured.samples->end(), {}, rate);
  if (late != measured.samples->end() && rate(*late) < kDriftShare * rate(*best)) {
    findings.push_back(make_finding(
        kDrift, {.evidence = fmt::format("{}: {:.1f} GB/s at {:.0f} s; in the second half at most "
                                         "{:.1f} GB/s.",
                                         measured.device, rate(*best), best->second, rate(*late)),
                 .consequence = "Speeds of the first seconds do not last.",
                 .fix = "Look at temperature, power and neighbours of this machine.",
                 .next_command = "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER"}));
  }
  const auto is_throttled = [](const SampleFacts& sample) {
    return sample.clock_reasons &&
           std::ranges::any_of(*sample.clock_reasons, [](const auto& reason) {
             return reason.starts_with("thermal") || reason == "power brake" ||
                    reason == "hardware slowdown";
           });
  };
  const auto throttled = std::ranges::find_if(*measured.samples, is_throttled);
  if (throttled == measured.samples->end()) return;
  findings.push_back(make_finding(
      kHeat, {.evidence = fmt::format("{}: {} at {:.0f} s, {:.0f} degrees C, {} MHz.",
                                      measured.device, throttled->clock_reasons->front(),
                                      throttled->second, throttled->temperature_c.value_or(0),
                                      throttled->sm_clock_mhz.value_or(0)),
              .consequence = "Under steady load the GPU is slower than a short test shows.",
              .fix = "Improve cooling or power, or set a power limit that lasts.",
              .next_command = "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER"}));
}

void check(const CheckInput& input, Findings& findings) {
  if (!input.facts.measured) return;
  const MeasuredFacts& measured = *input.facts.measured;
  check_data(measured, findings);
  check_load(input, measured, findings);
  check_peers(input.facts, measured, findings);
  for (const DeviceRateFacts& device : measured.devices) {
    if (device.problem) {
      findings.push_back(make_finding(
          kFailed, {.evidence = fmt::format("{}: {}.", device.device, *device.problem),
                    .consequence = "What was not measured is not judged.",
                    .fix = "If memory is missing, end what holds it. An error of the device itself "
                           "stays until the process, or the GPU, is started again.",
                    .next_command = "fathom doctor"}));
    }
    if (const GpuFacts* const gpu = gpu_of(input.facts, device)) {
      check_gpu_rates(device, *gpu, findings);
    }
    check_decode(device, findings);
    check_samples(device, findings);
  }
}

}  // namespace

const Theme& measured_theme() {
  static constexpr Theme kTheme{"Measured (levels 2 and 3)", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
