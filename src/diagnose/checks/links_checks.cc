// PCIe, NVLink, and the ways between GPUs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "diagnose/checks/gpu_text.h"
#include "diagnose/checks/theme.h"
#include "diagnose/cpu_list.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kWidth{"pcie-width-reduced", Severity::kWarning,
                             "a GPU has fewer PCIe lanes than it could"};
constexpr FindingKind kGeneration{"pcie-generation-reduced", Severity::kWarning,
                                  "a busy GPU's PCIe link is slower than it could be"};
constexpr FindingKind kIdle{"pcie-generation-idle", Severity::kInfo,
                            "an idle GPU's PCIe link sleeps at a lower generation"};
constexpr FindingKind kReplays{"pcie-replays", Severity::kWarning,
                               "packets on PCIe were sent again over 1000 times"};
constexpr FindingKind kDown{"nvlink-down", Severity::kError,
                            "a GPU has fewer active NVLinks than others of its kind"};
constexpr FindingKind kPartly{"nvlink-partly-connected", Severity::kWarning,
                              "some of the NVLink ports of every GPU are not active"};
constexpr FindingKind kNotConnected{"nvlink-not-connected", Severity::kWarning,
                                    "several GPUs with NVLink ports, none of which is active"};
constexpr FindingKind kNvlinkErrors{"nvlink-errors", Severity::kWarning, "NVLinks counted errors"};
constexpr FindingKind kNoPeer{"peer-access-unavailable", Severity::kWarning,
                              "two GPUs cannot copy to each other straight"};
constexpr FindingKind kSockets{"topology-crosses-sockets", Severity::kInfo,
                               "two GPUs without NVLink hang on different processors"};
constexpr FindingKind kFarCpus{"gpu-numa-far", Severity::kWarning,
                               "this process may not run on the processors near the GPU"};
constexpr std::array kKinds{kWidth,        kGeneration,   kIdle,   kReplays, kDown,   kPartly,
                            kNotConnected, kNvlinkErrors, kNoPeer, kSockets, kFarCpus};

constexpr double kBusyPercent = 20;
constexpr std::int64_t kManyReplays = 1000;

void check_pcie(const Facts& facts, const GpuFacts& gpu, Findings& findings) {
  const PcieFacts& pcie = gpu.pcie;
  const std::string query =
      fmt::format("nvidia-smi -i {} -q | grep -A12 'GPU Link Info'", gpu.index);
  if (pcie.width && pcie.max_width && *pcie.width < *pcie.max_width) {
    findings.push_back(make_finding(
        kWidth, {.evidence = fmt::format("{}: {} of {} PCIe lanes.", label(gpu), *pcie.width,
                                         *pcie.max_width),
                 .consequence = "Loading and copies between GPUs without NVLink slow down in "
                                "proportion; an idle link keeps its lanes, so this is real.",
                 .fix = "Seat the card again, try another slot, check risers and the slot's lanes "
                        "in the firmware.",
                 .next_command = query}));
  }
  // Level 2 reads the link while data flows, which settles it.
  const bool was_measured =
      facts.measured && std::ranges::any_of(facts.measured->devices, [&](const auto& device) {
        return device.gpu == gpu.index && device.busy_pcie_generation;
      });
  if (!was_measured && pcie.generation && pcie.max_generation &&
      *pcie.generation < *pcie.max_generation) {
    const bool is_busy = gpu.utilization_percent.value_or(0) >= kBusyPercent;
    findings.push_back(make_finding(
        is_busy ? kGeneration : kIdle,
        {.evidence = fmt::format("{}: PCIe generation {} of {}, utilization {:.0f} %.", label(gpu),
                                 *pcie.generation, *pcie.max_generation,
                                 gpu.utilization_percent.value_or(0)),
         .consequence = is_busy ? "Loading and copies between GPUs without NVLink are slower."
                                : "Perhaps none: idle links drop their generation to save power.",
         .fix = is_busy ? "Check the slot, risers, and the generation that the firmware allows."
                        : "Look again while data is copied.",
         .next_command = is_busy ? query : "fathom doctor --level 2"}));
  }
  if (pcie.replays.value_or(0) > kManyReplays) {
    findings.push_back(make_finding(
        kReplays, {.evidence = fmt::format("{}: {} packets were sent again since the driver was "
                                           "loaded.",
                                           label(gpu), *pcie.replays),
                   .consequence = "The link is noisy: copies are slower, and may fail.",
                   .fix = "Seat the card again; check riser and slot. Watch whether it grows.",
                   .next_command = fmt::format("nvidia-smi -i {} -q | grep Replay", gpu.index)}));
  }
}

std::int64_t active_links(const GpuFacts& gpu) {
  if (!gpu.nvlinks) return 0;
  return std::ranges::count_if(
      *gpu.nvlinks, [](const NvLinkFacts& link) { return link.is_active.value_or(false); });
}

std::int64_t known_links(const GpuFacts& gpu) {
  if (!gpu.nvlinks) return 0;
  return std::ranges::count_if(*gpu.nvlinks,
                               [](const NvLinkFacts& link) { return link.is_active.has_value(); });
}

// The most active links among GPUs of the same name.
std::int64_t most_active(const Facts& facts, const GpuFacts& gpu) {
  std::int64_t most = 0;
  for (const GpuFacts& other : facts.gpus) {
    if (other.name == gpu.name) most = std::max(most, active_links(other));
  }
  return most;
}

void check_nvlink_state(const Facts& facts, const GpuFacts& gpu, Findings& findings) {
  const std::int64_t known = known_links(gpu);
  const std::int64_t active = active_links(gpu);
  const std::int64_t most = most_active(facts, gpu);
  if (known == 0 || facts.gpus.size() < 2 || active == known) return;
  const std::string count =
      fmt::format("{}: {} of {} NVLinks are active", label(gpu), active, known);
  const std::string next =
      fmt::format("nvidia-smi nvlink -s -i {}; nvidia-smi nvlink -e -i {}", gpu.index, gpu.index);
  if (active > 0 && active < most) {
    findings.push_back(make_finding(
        kDown,
        {.evidence = fmt::format("{}; others of its kind have {}.", count, most),
         .consequence = "Copies between GPUs slow down; tensor parallel runs at the pace of the "
                        "slowest link.",
         .fix = "Check the bridge or the fabric manager, then reset the GPUs. nvidia-smi topo -m "
                "shows the kind of path, not its health.",
         .next_command = next}));
  } else if (active > 0) {
    findings.push_back(make_finding(
        kPartly, {.evidence = count + ", as on the others.",
                  .consequence = "A part of the links' bandwidth is not used. Cards with bridges "
                                 "may have fewer bridges than places for them.",
                  .fix = "See whether bridges are missing; on boards without bridges look at the "
                         "fabric manager.",
                  .next_command = next}));
  } else {
    findings.push_back(make_finding(
        kNotConnected,
        {.evidence = count + ".",
         .consequence = "GPUs reach each other over PCIe. Replicas do not mind; tensor parallel is "
                        "slower. NVLink would not pool memory either: software shards the model.",
         .fix = "Set the bridge between the cards, or start the fabric manager on boards with "
                "NVSwitch. For throughput run one replica on each GPU.",
         .next_command = next}));
  }
}

void check_nvlink_errors(const GpuFacts& gpu, Findings& findings) {
  // Counts of a facts file may be anything: their sum must not overflow.
  double crc = 0;
  double replays = 0;
  double recoveries = 0;
  for (const NvLinkFacts& link : gpu.nvlinks.value_or(std::vector<NvLinkFacts>{})) {
    crc += static_cast<double>(link.crc_errors.value_or(0));
    replays += static_cast<double>(link.replay_errors.value_or(0));
    recoveries += static_cast<double>(link.recovery_errors.value_or(0));
  }
  if (crc <= 0 && replays <= 0 && recoveries <= 0) return;
  findings.push_back(make_finding(
      kNvlinkErrors,
      {.evidence = fmt::format("{}: NVLinks counted {:.0f} CRC errors, {:.0f} replays, {:.0f} "
                               "recoveries.",
                               label(gpu), crc, replays, recoveries),
       .consequence = "Data was sent again: copies stall; recoveries cost the most.",
       .fix = "Watch whether they grow under load; clean and seat bridge or card.",
       .next_command = fmt::format("nvidia-smi nvlink -e -i {}", gpu.index)}));
}

void check_pairs(const Facts& facts, Findings& findings) {
  const LinkFacts* crossing = nullptr;
  std::int64_t num_crossing = 0;
  for (const LinkFacts& link : facts.links) {
    const std::string pair = fmt::format("GPUs {} and {}", link.gpu_a, link.gpu_b);
    if (link.peer_access && *link.peer_access != "ok") {
      findings.push_back(make_finding(
          kNoPeer,
          {.evidence = fmt::format("{}: no peer access: {}.", pair, *link.peer_access),
           .consequence = "Copies between them pass through host memory. A 7B model fits one GPU: "
                          "replicas lose nothing.",
           .fix = "Run one replica on each GPU. For tensor parallel choose GPUs with NVLink or "
                  "peer access (GeForce 40 cards have neither).",
           .next_command = "nvidia-smi topo -p2p r"}));
    }
    if (link.path == "SYS" && link.num_nvlinks.value_or(0) == 0) {
      if (crossing == nullptr) crossing = &link;
      ++num_crossing;
    }
  }
  if (crossing == nullptr) return;
  findings.push_back(make_finding(
      kSockets,
      {.evidence = fmt::format("{} pair{} of GPUs meet only across processors, such as {} "
                               "and {}.",
                               num_crossing, num_crossing == 1 ? "" : "s", crossing->gpu_a,
                               crossing->gpu_b),
       .consequence = "Collectives over these pairs are the slowest. NCCL_DEBUG=INFO shows "
                      "which way NCCL takes, not how long it takes.",
       .fix = "Keep tensor-parallel groups on one processor; measure with nccl-tests.",
       .next_command = "fathom topo"}));
}

void check_near_cpus(const Facts& facts, const GpuFacts& gpu, Findings& findings) {
  if (!gpu.near_cpus || !facts.host.processor.allowed) return;
  const auto near = parse_cpu_list(*gpu.near_cpus);
  const auto allowed = parse_cpu_list(*facts.host.processor.allowed);
  if (!near || near->empty() || !allowed || allowed->empty()) return;
  if (std::ranges::any_of(*allowed, [&](std::int64_t cpu) { return near->contains(cpu); })) return;
  findings.push_back(make_finding(
      kFarCpus,
      {.evidence = fmt::format("{} is near processors {}; this process may run on {}.", label(gpu),
                               *gpu.near_cpus, *facts.host.processor.allowed),
       .consequence = "Copies and launches cross the link between processors.",
       .fix = "Allow processors of that NUMA node (numactl, cpuset, the topology manager "
              "of Kubernetes).",
       .next_command = gpu.numa_node
                           ? fmt::format("numactl --cpunodebind={} fathom doctor", *gpu.numa_node)
                           : std::string("fathom topo")}));
}

void check(const CheckInput& input, Findings& findings) {
  for (const GpuFacts& gpu : input.facts.gpus) {
    check_pcie(input.facts, gpu, findings);
    check_nvlink_state(input.facts, gpu, findings);
    check_nvlink_errors(gpu, findings);
    check_near_cpus(input.facts, gpu, findings);
  }
  check_pairs(input.facts, findings);
}

}  // namespace

const Theme& links_theme() {
  static constexpr Theme kTheme{"PCIe, NVLink, topology", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
