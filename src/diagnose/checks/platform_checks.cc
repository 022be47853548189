// Platforms whose rules differ: WSL2, Jetson.
#include <fmt/format.h>

#include <array>

#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kWsl{"wsl2", Severity::kInfo, "this is Windows' Subsystem for Linux"};
constexpr FindingKind kJetson{"jetson", Severity::kInfo, "this is a Jetson: one memory for all"};
constexpr std::array kKinds{kWsl, kJetson};

void check(const CheckInput& input, Findings& findings) {
  const PlatformFacts& platform = input.facts.host.platform;
  if (platform.is_wsl.value_or(false)) {
    findings.push_back(make_finding(
        kWsl, {.evidence = fmt::format("Kernel {} of WSL2.",
                                       platform.kernel_release.value_or("(release unknown)")),
               .consequence = "Windows' driver serves the GPU, and keeps much of NVML to itself: "
                              "such facts are shown as not supported. Linux gets a part of the "
                              "memory, and files under /mnt/c are slow.",
               .fix = "Install no Linux driver inside; raise memory= in .wslconfig if the model "
                      "does not fit; keep models in Linux' own file system.",
               .next_command = "free -g"}));
  }
  if (platform.jetson_model) {
    findings.push_back(make_finding(
        kJetson, {.evidence = fmt::format("{}.", *platform.jetson_model),
                  .consequence = "GPU and processor share the memory and its bandwidth; NVML tells "
                                 "little: such facts are shown as not supported.",
                  .fix = "Count weights, KV cache and everything else against the one memory; set "
                         "the power mode that gives full clocks.",
                  .next_command = "nvpmodel -q && tegrastats --interval 1000"}));
  }
}

}  // namespace

const Theme& platform_theme() {
  static constexpr Theme kTheme{"Platform", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
