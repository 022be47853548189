// Errors of a GPU: of its memory, of its driver, and whether it answers at all.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "diagnose/checks/gpu_text.h"
#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kLost{"gpu-not-answering", Severity::kError, "a GPU does not answer"};
constexpr FindingKind kUncorrected{"gpu-ecc-uncorrected", Severity::kError,
                                   "memory errors that ECC could not correct"};
constexpr FindingKind kRemapFailed{"gpu-row-remap-failed", Severity::kError,
                                   "a broken row of memory could not be replaced"};
constexpr FindingKind kRemapPending{"gpu-reset-pending", Severity::kWarning,
                                    "rows or pages of memory wait for a reset to be replaced"};
constexpr FindingKind kXid{"gpu-xid", Severity::kError,
                           "the driver logged an Xid that speaks of the hardware or the driver"};
constexpr FindingKind kXidProgram{"gpu-xid-program", Severity::kWarning,
                                  "the driver logged an Xid that a faulty program causes"};
constexpr FindingKind kEccOff{"gpu-ecc-off", Severity::kInfo, "ECC is switched off"};
constexpr std::array kKinds{kLost, kUncorrected, kRemapFailed, kRemapPending,
                            kXid,  kXidProgram,  kEccOff};

struct XidMeaning {
  std::int64_t code;
  bool is_by_program;
  const char* text;
};

// Those that NVIDIA's documentation explains and that matter to a server.
constexpr std::array kXids{
    XidMeaning{13, true, "a kernel faulted (graphics engine exception)"},
    XidMeaning{31, true, "a kernel touched memory that is not mapped"},
    XidMeaning{43, true, "a program's work was stopped after its fault"},
    XidMeaning{45, true, "a program's work was cleaned up after it ended early"},
    XidMeaning{48, false, "a double-bit error of the memory"},
    XidMeaning{62, false, "an internal controller halted"},
    XidMeaning{63, false, "a row or page of memory was marked for replacement"},
    XidMeaning{64, false, "the replacement of a row or page of memory failed"},
    XidMeaning{74, false, "an error of an NVLink"},
    XidMeaning{79, false, "the GPU fell off the PCI bus"},
    XidMeaning{92, false, "a high rate of single-bit errors"},
    XidMeaning{94, false, "an uncorrected memory error, contained to one program"},
    XidMeaning{95, false, "an uncorrected memory error that may have spread"},
    XidMeaning{119, false, "the GPU's own processor did not answer"},
    XidMeaning{120, false, "an error of the GPU's own processor"},
};

void check_xids(const GpuFacts& gpu, Findings& findings) {
  for (const XidFacts& xid : gpu.health.xids.value_or(std::vector<XidFacts>{})) {
    const auto known = std::ranges::find(kXids, xid.code, &XidMeaning::code);
    const bool is_known = known != kXids.end();
    const bool is_by_program = is_known && known->is_by_program;
    findings.push_back(make_finding(
        is_by_program ? kXidProgram : kXid,
        {.evidence = fmt::format("{}: Xid {} logged {} time{}{}{}.", label(gpu), xid.code,
                                 xid.count, xid.count == 1 ? "" : "s", is_known ? ": " : "",
                                 is_known ? known->text : ""),
         .consequence = is_by_program ? "A program crashed; the GPU itself is usable."
                                      : "Work on this GPU failed, and may fail again.",
         .fix = is_by_program ? "Find the program by the pid in that line of the log."
                              : "Reset the GPU (nvidia-smi -r) or restart the machine; if it comes "
                                "back, have the GPU, its power and its seat checked.",
         .next_command = "dmesg | grep -i xid"}));
  }
}

void check_memory_cells(const GpuFacts& gpu, Findings& findings) {
  const GpuHealthFacts& health = gpu.health;
  if (health.ecc_uncorrected.value_or(0) > 0) {
    findings.push_back(make_finding(
        kUncorrected,
        {.evidence = fmt::format("{}: {} uncorrected ECC errors since the driver was loaded.",
                                 label(gpu), *health.ecc_uncorrected),
         .consequence = "Work that touched those bytes was ended; a server lost its GPU.",
         .fix = "Reset the GPU so that the rows are replaced; if errors return, replace the card.",
         .next_command = fmt::format("nvidia-smi -i {} -q -d ECC,ROW_REMAPPER", gpu.index)}));
  }
  if (health.remap_failed.value_or(false)) {
    findings.push_back(make_finding(
        kRemapFailed,
        {.evidence = fmt::format("{}: row remapping failed: no spare row is left.", label(gpu)),
         .consequence = "The broken row stays in use.",
         .fix = "Replace the card.",
         .next_command = fmt::format("nvidia-smi -i {} -q -d ROW_REMAPPER", gpu.index)}));
  }
  if (health.remap_pending.value_or(false) || health.retired_pages_pending.value_or(false)) {
    findings.push_back(make_finding(
        kRemapPending,
        {.evidence = fmt::format("{}: broken memory was found; it is replaced at the next reset.",
                                 label(gpu)),
         .consequence = "Until then the same place can fail again.",
         .fix = "Drain the server and reset the GPU.",
         .next_command = fmt::format("nvidia-smi -i {} -r", gpu.index)}));
  }
  if (health.ecc_enabled == false) {
    findings.push_back(make_finding(
        kEccOff,
        {.evidence = fmt::format("{}: ECC is off.", label(gpu)),
         .consequence = "A flipped bit of a weight stays unnoticed; on cards with GDDR memory ECC "
                        "costs some of the memory and of its bandwidth.",
         .fix = "Switch it on where answers matter (it takes a reset).",
         .next_command = fmt::format("nvidia-smi -i {} -e 1", gpu.index)}));
  }
}

void check(const CheckInput& input, Findings& findings) {
  for (const GpuFacts& gpu : input.facts.gpus) {
    if (gpu.problem) {
      findings.push_back(make_finding(
          kLost, {.evidence = fmt::format("{}: NVML says: {}.", label(gpu), *gpu.problem),
                  .consequence = "This GPU cannot be used.",
                  .fix = "Look for Xid errors in the kernel's log, then restart the machine; check "
                         "power and seat of the card.",
                  .next_command = "dmesg | grep -i xid"}));
    }
    check_memory_cells(gpu, findings);
    check_xids(gpu, findings);
  }
}

}  // namespace

const Theme& gpu_health_theme() {
  static constexpr Theme kTheme{"GPU health", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
