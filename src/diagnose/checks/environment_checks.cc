// Settings in the environment that hurt: NCCL's and CUDA's.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kPeer{"nccl-p2p-disabled", Severity::kWarning,
                            "NCCL may not copy straight between GPUs"};
constexpr FindingKind kShm{"nccl-shm-disabled", Severity::kWarning,
                           "NCCL may not use shared memory"};
constexpr FindingKind kForced{"nccl-choice-forced", Severity::kInfo,
                              "NCCL's choice of algorithm, protocol or channels is forced"};
constexpr FindingKind kDebug{"nccl-debug-on", Severity::kInfo, "NCCL logs what it does"};
constexpr FindingKind kBlocking{"cuda-launch-blocking", Severity::kWarning,
                                "every launch waits for its kernel"};
constexpr FindingKind kHidden{"cuda-devices-hidden", Severity::kInfo,
                              "CUDA_VISIBLE_DEVICES hides GPUs"};
constexpr FindingKind kOrder{"cuda-device-order", Severity::kInfo,
                             "GPUs of different kinds, counted in another order than NVML's"};
constexpr std::array kKinds{kPeer, kShm, kForced, kDebug, kBlocking, kHidden, kOrder};

std::optional<std::string> value_of(const Facts& facts, std::string_view name) {
  if (!facts.host.environment) return std::nullopt;
  const auto found = std::ranges::find(*facts.host.environment, name, &VariableFacts::name);
  if (found == facts.host.environment->end()) return std::nullopt;
  return found->value;
}

void check_nccl_ways(const Facts& facts, Findings& findings) {
  const auto level = value_of(facts, "NCCL_P2P_LEVEL");
  const bool is_off = value_of(facts, "NCCL_P2P_DISABLE") == "1";
  if (is_off || level == "LOC" || level == "0") {
    findings.push_back(make_finding(
        kPeer, {.evidence = is_off ? std::string("NCCL_P2P_DISABLE=1.")
                                   : fmt::format("NCCL_P2P_LEVEL={}.", *level),
                .consequence = "Collectives pass through host memory: several times slower, and "
                               "NVLink stays unused.",
                .fix = "Remove the setting; it is a workaround for broken peer copies, which "
                       "level 2 tests by copying data.",
                .next_command = "unset NCCL_P2P_DISABLE NCCL_P2P_LEVEL"}));
  }
  if (value_of(facts, "NCCL_SHM_DISABLE") == "1") {
    findings.push_back(make_finding(
        kShm, {.evidence = "NCCL_SHM_DISABLE=1.",
               .consequence = "GPUs without peer access talk over the network's loopback.",
               .fix = "Remove the setting, and give /dev/shm at least 1 GiB.",
               .next_command = "unset NCCL_SHM_DISABLE"}));
  }
}

void check_nccl_choices(const Facts& facts, Findings& findings) {
  std::string forced;
  for (const char* const name : {"NCCL_ALGO", "NCCL_PROTO", "NCCL_MAX_NCHANNELS",
                                 "NCCL_MIN_NCHANNELS", "NCCL_NTHREADS", "NCCL_BUFFSIZE"}) {
    if (const auto value = value_of(facts, name)) {
      forced += fmt::format("{}{}={}", forced.empty() ? "" : ", ", name, *value);
    }
  }
  if (!forced.empty()) {
    findings.push_back(make_finding(
        kForced, {.evidence = forced + ".",
                  .consequence = "NCCL chooses by size and topology; what was forced for one job "
                                 "slows others down.",
                  .fix = "Remove it, and measure with and without.",
                  .next_command = "all_reduce_perf -b 8K -e 64M -f 2 -g 2"}));
  }
  const auto debug = value_of(facts, "NCCL_DEBUG");
  if (debug && *debug != "VERSION" && *debug != "WARN") {
    findings.push_back(make_finding(
        kDebug, {.evidence = fmt::format("NCCL_DEBUG={}.", *debug),
                 .consequence = "The log shows rings and transports, not time: it does not say "
                                "why a collective is slow.",
                 .fix = "Measure with nccl-tests or a timeline; then remove it.",
                 .next_command = "all_reduce_perf -b 8K -e 64M -f 2 -g 2"}));
  }
}

void check_cuda(const Facts& facts, Findings& findings) {
  if (value_of(facts, "CUDA_LAUNCH_BLOCKING") == "1") {
    findings.push_back(make_finding(
        kBlocking, {.evidence = "CUDA_LAUNCH_BLOCKING=1.",
                    .consequence = "The host waits for every kernel: the GPU idles between them, "
                                   "and decoding is several times slower.",
                    .fix = "Remove it: it is for finding the kernel that fails.",
                    .next_command = "unset CUDA_LAUNCH_BLOCKING"}));
  }
  const auto visible = value_of(facts, "CUDA_VISIBLE_DEVICES");
  if (visible && !facts.gpus.empty()) {
    findings.push_back(make_finding(
        kHidden,
        {.evidence = fmt::format("CUDA_VISIBLE_DEVICES='{}'; the machine has {} GPU{}.", *visible,
                                 facts.gpus.size(), facts.gpus.size() == 1 ? "" : "s"),
         .consequence = visible->empty() ? "No GPU is visible: models run on the CPU."
                                         : "--device cuda:0 is the first of these, not the first "
                                           "that nvidia-smi shows.",
         .fix = "Nothing, if that is meant.",
         .next_command = "nvidia-smi -L"}));
  }
  const bool differ = std::ranges::any_of(
      facts.gpus, [&](const GpuFacts& gpu) { return gpu.name != facts.gpus.front().name; });
  if (differ && value_of(facts, "CUDA_DEVICE_ORDER") != "PCI_BUS_ID") {
    findings.push_back(make_finding(
        kOrder, {.evidence = "GPUs of different kinds; CUDA_DEVICE_ORDER is not PCI_BUS_ID.",
                 .consequence = "CUDA counts the fastest first, nvidia-smi by the bus: cuda:0 may "
                                "be another card than GPU 0 here.",
                 .fix = "Set CUDA_DEVICE_ORDER=PCI_BUS_ID.",
                 .next_command = "CUDA_DEVICE_ORDER=PCI_BUS_ID fathom serve MODEL"}));
  }
}

void check(const CheckInput& input, Findings& findings) {
  check_nccl_ways(input.facts, findings);
  check_nccl_choices(input.facts, findings);
  check_cuda(input.facts, findings);
}

}  // namespace

const Theme& environment_theme() {
  static constexpr Theme kTheme{"Environment", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
