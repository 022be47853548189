// Limits of the process: files, locked memory, address space.
#include <fmt/format.h>

#include <array>

#include "diagnose/checks/theme.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kFiles{"open-files-limit", Severity::kWarning,
                             "fewer than 4096 files may be open"};
constexpr FindingKind kLocked{"locked-memory-limit", Severity::kWarning,
                              "InfiniBand is there, and little memory may be locked"};
constexpr FindingKind kSpace{"address-space-limit", Severity::kError,
                             "the address space is limited, and a GPU is used"};
constexpr std::array kKinds{kFiles, kLocked, kSpace};

constexpr std::int64_t kEnoughFiles = 4096;
constexpr std::int64_t kEnoughLockedBytes = std::int64_t{64} << 20;

bool is_below(const std::optional<std::int64_t>& limit, std::int64_t enough) {
  return limit && *limit != kUnlimited && *limit < enough;
}

void check(const CheckInput& input, Findings& findings) {
  const LimitFacts& limits = input.facts.host.limits;
  if (is_below(limits.open_files_hard, kEnoughFiles)) {
    findings.push_back(make_finding(
        kFiles,
        {.evidence = fmt::format("The hard limit of open files is {}.", *limits.open_files_hard),
         .consequence = "Each connection is a file: a server with a full queue refuses "
                        "clients.",
         .fix = "Raise it (ulimit -Hn, LimitNOFILE= of systemd); serve raises the soft "
                "limit itself.",
         .next_command = "ulimit -Hn"}));
  }
  if (input.facts.host.platform.has_infiniband.value_or(false) &&
      is_below(limits.locked_memory_bytes, kEnoughLockedBytes)) {
    findings.push_back(make_finding(
        kLocked,
        {.evidence = fmt::format("{} may be locked.", bytes_text(*limits.locked_memory_bytes)),
         .consequence = "NCCL cannot register memory with InfiniBand. Page-locked memory "
                        "of CUDA does not count against this limit.",
         .fix = "ulimit -l unlimited (docker: --ulimit memlock=-1).",
         .next_command = "ulimit -l"}));
  }
  if (!input.facts.gpus.empty() && limits.address_space_bytes &&
      *limits.address_space_bytes != kUnlimited) {
    findings.push_back(make_finding(
        kSpace, {.evidence = fmt::format("The address space is limited to {}.",
                                         bytes_text(*limits.address_space_bytes)),
                 .consequence = "CUDA reserves addresses for all memory of host and GPUs, many "
                                "times what it uses, and does not start.",
                 .fix = "Remove the limit; bound memory with a control group.",
                 .next_command = "ulimit -v unlimited"}));
  }
}

}  // namespace

const Theme& limits_theme() {
  static constexpr Theme kTheme{"Process limits", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
