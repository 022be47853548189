// Processors: quota, load, clocks, instruction set, NUMA.
#include <fmt/format.h>

#include <array>
#include <string>

#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kThrottled{"cpu-quota-throttled", Severity::kWarning,
                                 "the control group's CPU quota stopped processes"};
constexpr FindingKind kLoad{"cpu-overloaded", Severity::kWarning,
                            "more tasks want to run than there are processors, by a half or more"};
constexpr FindingKind kGovernor{"cpu-governor-powersave", Severity::kWarning,
                                "the processors are held at their lowest clock"};
constexpr FindingKind kPortable{"cpu-no-vector-code", Severity::kWarning,
                                "the processor runs only Fathom's portable code"};
constexpr FindingKind kNuma{"numa-several-nodes", Severity::kInfo,
                            "models run on the CPU, and memory lies on several NUMA nodes"};
constexpr std::array kKinds{kThrottled, kLoad, kGovernor, kPortable, kNuma};

void check_share(const ProcessorFacts& processor, Findings& findings) {
  if (processor.cgroup_throttled_periods.value_or(0) > 0 &&
      processor.cgroup_quota_cpus.value_or(kUnlimited) > 0) {
    findings.push_back(make_finding(
        kThrottled,
        {.evidence = fmt::format("The quota is {:.1f} CPUs; processes were stopped in {} periods.",
                                 *processor.cgroup_quota_cpus, *processor.cgroup_throttled_periods),
         .consequence = "All threads stop at once for up to 100 ms: tokens come in bursts, also "
                        "those of a GPU, which waits for its host.",
         .fix = "Raise the quota (docker --cpus, resources.limits.cpu), or lower --threads to it.",
         .next_command = "cat /sys/fs/cgroup/cpu.stat"}));
  }
  if (processor.load_1_min && processor.num_online && *processor.num_online > 0 &&
      *processor.load_1_min > 1.5 * static_cast<double>(*processor.num_online)) {
    findings.push_back(make_finding(
        kLoad, {.evidence = fmt::format("Load {:.1f} on {} processors.", *processor.load_1_min,
                                        *processor.num_online),
                .consequence = "Threads that work together wait for the one that is not running: "
                               "a step is as slow as its slowest thread.",
                .fix = "Stop other work, or give the server processors of its own.",
                .next_command = "top -b -n 1 | head -20"}));
  }
}

void check_kind(const CheckInput& input, Findings& findings) {
  const ProcessorFacts& processor = input.facts.host.processor;
  // Drivers of newer processors choose clocks themselves under that name.
  const std::string driver = processor.frequency_driver.value_or("");
  const bool is_fixed = driver.find("pstate") == std::string::npos;
  if (processor.frequency_governor == "powersave" && is_fixed) {
    findings.push_back(make_finding(
        kGovernor, {.evidence = fmt::format("The frequency governor is powersave{}.",
                                            driver.empty() ? "" : " of " + driver),
                    .consequence = "Everything on the host is slower: launches of GPU work too.",
                    .fix = "Set the governor to performance or schedutil.",
                    .next_command = "cpupower frequency-set -g performance"}));
  }
  if (processor.instruction_set == "portable") {
    findings.push_back(make_finding(
        kPortable, {.evidence = fmt::format("{}: none of AVX2, AVX-512 and NEON can be used.",
                                            processor.model.value_or("The processor")),
                    .consequence = "On the CPU models run many times slower.",
                    .fix = "Virtual machines often hide instructions: choose the host's own "
                           "processor model (QEMU: -cpu host).",
                    .next_command = "grep -m1 flags /proc/cpuinfo"}));
  }
  const std::size_t num_nodes = processor.numa_nodes ? processor.numa_nodes->size() : 0;
  if (input.facts.gpus.empty() && num_nodes > 1) {
    findings.push_back(make_finding(
        kNuma, {.evidence = fmt::format("{} NUMA nodes, and no GPU.", num_nodes),
                .consequence = "Weights that lie on another node are read over the link between "
                               "processors.",
                .fix = "Run one server on each node, with memory and threads of that node.",
                .next_command = "numactl --cpunodebind=0 --membind=0 fathom serve MODEL"}));
  }
}

void check(const CheckInput& input, Findings& findings) {
  check_share(input.facts.host.processor, findings);
  check_kind(input, findings);
}

}  // namespace

const Theme& processor_theme() {
  static constexpr Theme kTheme{"Processors", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
