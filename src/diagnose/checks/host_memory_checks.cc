// Host memory: swap, pressure, limits, /dev/shm, huge pages.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "diagnose/checks/theme.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kSwap{"swap-in-use", Severity::kWarning, "over 64 MiB are swapped out"};
constexpr FindingKind kPressure{"memory-pressure", Severity::kWarning,
                                "tasks waited for memory in over 10 % of the last ten seconds"};
constexpr FindingKind kTooLittle{"host-memory-too-small", Severity::kError,
                                 "the model exceeds what host memory or its limit can give"};
constexpr FindingKind kLimit{"cgroup-memory-limit", Severity::kInfo,
                             "a control group allows under a half of the machine's memory"};
constexpr FindingKind kOomKills{"cgroup-oom-kills", Severity::kError,
                                "the kernel ended processes of this control group for memory"};
constexpr FindingKind kHugePages{"huge-pages-off", Severity::kInfo,
                                 "transparent huge pages are never used"};
constexpr FindingKind kShm{"shm-small", Severity::kWarning,
                           "several GPUs, and /dev/shm has under 1 GiB"};
constexpr FindingKind kStrict{"overcommit-strict", Severity::kWarning,
                              "the kernel refuses to promise memory (vm.overcommit_memory=2)"};
constexpr std::array kKinds{kSwap,     kPressure,  kTooLittle, kLimit,
                            kOomKills, kHugePages, kShm,       kStrict};

constexpr std::int64_t kSwapBytes = std::int64_t{64} << 20;
constexpr std::int64_t kShmBytes = std::int64_t{1} << 30;
constexpr double kPressurePercent = 10;

std::string swappers(const MemoryFacts& memory) {
  if (!memory.swap_users || memory.swap_users->empty()) return "whose: not readable here";
  std::string text = "most of it by ";
  for (std::size_t i = 0; i < std::min<std::size_t>(3, memory.swap_users->size()); ++i) {
    const ProcessFacts& process = (*memory.swap_users)[i];
    text += fmt::format("{}{} (pid {}) {}", i == 0 ? "" : ", ", process.name.value_or("a process"),
                        process.pid, bytes_text(process.used_bytes.value_or(0)));
  }
  return text;
}

void check_swap(const MemoryFacts& memory, Findings& findings) {
  if (memory.swap_used_bytes.value_or(0) > kSwapBytes) {
    findings.push_back(make_finding(
        kSwap,
        {.evidence =
             fmt::format("{} of {} swap are in use; {}.", bytes_text(*memory.swap_used_bytes),
                         bytes_text(memory.swap_total_bytes.value_or(0)), swappers(memory)),
         .consequence = "A step that touches a swapped page waits for the disk: tokens stall for "
                        "milliseconds. Weights mapped from files are not swapped, they are read "
                        "again.",
         .fix = "End what is not needed; lower --kv-memory or --max-batch-size; then empty the "
                "swap. Fewer tokens at a time help, gradient settings do not.",
         .next_command = "vmstat 1 5"}));
  }
  if (memory.pressure_percent.value_or(0) > kPressurePercent) {
    findings.push_back(make_finding(
        kPressure, {.evidence = fmt::format("Tasks waited for memory in {:.0f} % of the last ten "
                                            "seconds.",
                                            *memory.pressure_percent),
                    .consequence = "Pages of the model are thrown out and read again: steps wait "
                                   "for the disk.",
                    .fix = "Free memory, or take a smaller model or cache.",
                    .next_command = "cat /proc/pressure/memory"}));
  }
}

// What this process could take: of the machine, and under its control group.
std::int64_t usable_bytes(const MemoryFacts& memory) {
  std::int64_t usable = memory.total_bytes.value_or(0);
  const std::int64_t limit = memory.cgroup_limit_bytes.value_or(kUnlimited);
  return limit == kUnlimited ? usable : std::min(usable, limit);
}

void check_model(const CheckInput& input, Findings& findings) {
  const MemoryFacts& memory = input.facts.host.memory;
  if (input.model == nullptr || !memory.total_bytes) return;
  const ModelBytes& model = *input.model;
  const bool has_gpu = !input.facts.gpus.empty();
  // With a GPU the host holds a piece of the weights at a time.
  const std::int64_t needed =
      has_gpu ? ModelBytes::kOverhead : model.weights_16_bit + ModelBytes::kOverhead;
  if (needed <= usable_bytes(memory)) return;
  findings.push_back(make_finding(
      kTooLittle,
      {.evidence = fmt::format("{} usable ({} in the machine, limit of the control group: {}); {} "
                               "needs {}{}.",
                               bytes_text(usable_bytes(memory)), bytes_text(*memory.total_bytes),
                               memory.cgroup_limit_bytes.value_or(kUnlimited) == kUnlimited
                                   ? "none"
                                   : bytes_text(*memory.cgroup_limit_bytes),
                               model.name, bytes_text(needed),
                               has_gpu ? " on the host" : " to run on the CPU"),
       .consequence = has_gpu ? "The server is ended by the kernel while it starts."
                              : "Weights do not stay in memory: each token reads the disk.",
       .fix = "Raise the limit (docker --memory, resources.limits.memory), or take a machine with "
              "more memory.",
       .next_command = "free -g"}));
}

void check_cgroup(const MemoryFacts& memory, Findings& findings) {
  const std::int64_t limit = memory.cgroup_limit_bytes.value_or(kUnlimited);
  if (limit != kUnlimited && memory.total_bytes && limit < *memory.total_bytes / 2) {
    findings.push_back(make_finding(
        kLimit,
        {.evidence = fmt::format("The control group allows {} of {}; {} are taken.",
                                 bytes_text(limit), bytes_text(*memory.total_bytes),
                                 memory.cgroup_used_bytes ? bytes_text(*memory.cgroup_used_bytes)
                                                          : std::string("an unknown amount")),
         .consequence = "Page cache counts as well: a model larger than the limit is read "
                        "from disk at every start.",
         .fix = "Raise the limit if the model and its cache do not fit.",
         .next_command = "cat /sys/fs/cgroup/memory.max"}));
  }
  if (memory.cgroup_oom_kills.value_or(0) > 0) {
    findings.push_back(make_finding(
        kOomKills, {.evidence = fmt::format("{} process{} of this control group ended for memory.",
                                            *memory.cgroup_oom_kills,
                                            *memory.cgroup_oom_kills == 1 ? " was" : "es were"),
                    .consequence = "A server that vanishes without a message was ended by the "
                                   "kernel.",
                    .fix = "Raise the memory limit, or lower --kv-memory.",
                    .next_command = "cat /sys/fs/cgroup/memory.events"}));
  }
}

void check_settings(const CheckInput& input, Findings& findings) {
  const MemoryFacts& memory = input.facts.host.memory;
  if (memory.transparent_huge_pages == "never") {
    findings.push_back(make_finding(
        kHugePages,
        {.evidence = "transparent_hugepage/enabled is 'never'.",
         .consequence = "On the CPU reading weights and cache misses the TLB more "
                        "often: a few per cent of speed.",
         .fix = "Set it to madvise: Fathom asks for huge pages where they pay.",
         .next_command = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"}));
  }
  if (input.facts.gpus.size() > 1 && memory.shm_total_bytes &&
      *memory.shm_total_bytes < kShmBytes) {
    findings.push_back(make_finding(
        kShm,
        {.evidence = fmt::format("/dev/shm has {}.", bytes_text(*memory.shm_total_bytes)),
         .consequence = "NCCL's shared-memory transport fails or falls back between GPUs "
                        "without peer access. One GPU does not need it.",
         .fix = "docker: --shm-size=1g; Kubernetes: an emptyDir of medium Memory at /dev/shm.",
         .next_command = "df -h /dev/shm"}));
  }
  if (memory.overcommit_mode == 2) {
    findings.push_back(make_finding(
        kStrict, {.evidence = "vm.overcommit_memory is 2.",
                  .consequence = "CUDA and mapped weights reserve more address space than they "
                                 "use; the kernel may refuse it while memory is free.",
                  .fix = "Set it to 0 or 1.",
                  .next_command = "sysctl vm.overcommit_memory=0"}));
  }
}

void check(const CheckInput& input, Findings& findings) {
  check_model(input, findings);
  check_swap(input.facts.host.memory, findings);
  check_cgroup(input.facts.host.memory, findings);
  check_settings(input, findings);
}

}  // namespace

const Theme& host_memory_theme() {
  static constexpr Theme kTheme{"Host memory", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
