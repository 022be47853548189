// The driver, and whether this build's code runs on the GPUs that are there.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "diagnose/checks/gpu_text.h"
#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kNoGpu{"gpu-none", Severity::kInfo, "no NVIDIA GPU is on the PCI bus"};
constexpr FindingKind kMissing{"driver-missing", Severity::kError,
                               "a GPU is there, but no NVIDIA driver is loaded"};
constexpr FindingKind kNoLibrary{"driver-library-missing", Severity::kError,
                                 "the driver is loaded, but libnvidia-ml.so.1 is not found"};
constexpr FindingKind kNoNodes{"container-without-gpu", Severity::kError,
                               "a container does not get the GPUs of its host"};
constexpr FindingKind kMismatch{"driver-library-mismatch", Severity::kError,
                                "library and kernel module are of different versions"};
constexpr FindingKind kHangs{"driver-hangs", Severity::kError,
                             "the driver does not answer in time"};
constexpr FindingKind kFails{"driver-fails", Severity::kError,
                             "the driver is there and does not start"};
constexpr FindingKind kNoCuda{"build-without-cuda", Severity::kWarning,
                              "a GPU is there, but this build has no CUDA back end"};
constexpr FindingKind kTooOld{"driver-too-old", Severity::kError,
                              "the driver serves an older CUDA than this build needs"};
constexpr FindingKind kNoCode{"gpu-architecture-not-built", Severity::kError,
                              "this build has no code for the GPU's architecture"};
constexpr FindingKind kNoBf16{"gpu-no-bf16", Severity::kInfo,
                              "the GPU does not compute in bf16 (before sm_80)"};
constexpr std::array kKinds{kNoGpu, kMissing, kNoLibrary, kNoNodes, kMismatch, kHangs,
                            kFails, kNoCuda,  kTooOld,    kNoCode,  kNoBf16};

bool has_gpu(const Facts& facts) {
  return !facts.gpus.empty() || facts.host.platform.num_nvidia_pci_devices.value_or(0) > 0 ||
         facts.host.platform.nvidia_module_version.has_value();
}

bool is_in_container(const PlatformFacts& platform) {
  return platform.container && *platform.container != "none";
}

Finding no_library(const Facts& facts) {
  const PlatformFacts& platform = facts.host.platform;
  if (!platform.nvidia_module_version) {
    return make_finding(
        kMissing, {.evidence = fmt::format(
                       "{} NVIDIA GPU{} on the PCI bus; no nvidia kernel module is loaded.",
                       platform.num_nvidia_pci_devices.value_or(0),
                       platform.num_nvidia_pci_devices == 1 ? "" : "s"),
                   .consequence = "Models run on the CPU.",
                   .fix = "Install NVIDIA's driver, and restart so that its module is loaded.",
                   .next_command = "modinfo nvidia"});
  }
  if (is_in_container(platform)) {
    return make_finding(
        kNoNodes,
        {.evidence = fmt::format(
             "Driver {} runs on the host; in this container ({}) libnvidia-ml.so.1 is not found "
             "and {} of the GPUs' device nodes are there.",
             *platform.nvidia_module_version, *platform.container,
             platform.num_nvidia_device_nodes.value_or(0)),
         .consequence = "Models run on the CPU.",
         .fix = "Install the NVIDIA container toolkit on the host and start the container with its "
                "GPUs (docker: --gpus all; Kubernetes: a limit of nvidia.com/gpu).",
         .next_command = "docker run --rm --gpus all debian:12 nvidia-smi"});
  }
  return make_finding(
      kNoLibrary,
      {.evidence = fmt::format("Kernel module {} is loaded; {}", *platform.nvidia_module_version,
                               facts.driver.problem_text.value_or("NVML is not found.")),
       .consequence = "Nothing can be read of the GPUs, and models may run on the CPU.",
       .fix = "Install the driver's user-space libraries of the module's version.",
       .next_command = "ldconfig -p | grep nvidia-ml"});
}

Finding driver_problem(const Facts& facts) {
  const std::string problem = facts.driver.problem.value_or("");
  const std::string text = facts.driver.problem_text.value_or("no reason given");
  if (problem == nvml_problem::kMismatch) {
    return make_finding(
        kMismatch,
        {.evidence = fmt::format("NVML: {} (kernel module {}).", text,
                                 facts.host.platform.nvidia_module_version.value_or("unknown")),
         .consequence = "Nothing runs on the GPU until both are of one version.",
         .fix = "The driver was updated while its old module stayed loaded: restart the machine.",
         .next_command = "cat /proc/driver/nvidia/version"});
  }
  if (problem == nvml_problem::kHangs) {
    return make_finding(
        kHangs, {.evidence = fmt::format("NVML: {}.", text),
                 .consequence = "A GPU or its driver hangs; programs that use it hang as well.",
                 .fix = "Look for Xid errors in the kernel's log, then restart the machine.",
                 .next_command = "dmesg | grep -i xid"});
  }
  return make_finding(kFails, {.evidence = fmt::format("NVML: {}.", text),
                               .consequence = "Models run on the CPU, or do not start.",
                               .fix = "See what the driver wrote to the kernel's log.",
                               .next_command = "dmesg | grep -i nvrm"});
}

void check_presence(const Facts& facts, Findings& findings) {
  const std::string problem = facts.driver.problem.value_or("");
  if (has_gpu(facts)) {
    if (problem == nvml_problem::kNoLibrary || problem == nvml_problem::kNotLoaded) {
      findings.push_back(no_library(facts));
    } else if (!problem.empty()) {
      findings.push_back(driver_problem(facts));
    }
  } else if (problem == nvml_problem::kHangs || problem == nvml_problem::kOther ||
             problem == nvml_problem::kMismatch) {
    findings.push_back(driver_problem(facts));
  } else if (facts.host.platform.num_nvidia_pci_devices == 0 && !facts.host.platform.jetson_model) {
    findings.push_back(make_finding(
        kNoGpu, {.evidence = "No NVIDIA GPU on the PCI bus.",
                 .consequence = "Models run on the CPU: a 7B model in 16 bits reads 13 GB for each "
                                "token, so memory bandwidth decides.",
                 .fix = "Nothing, if that is meant.",
                 .next_command = "fathom bench shape deepseek-llm-7b --device cpu --layers 2"}));
  }
}

int major_of(const std::string& version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major;
}

// Machine code runs on GPUs of its own major version and the same or a later minor one; "90a" on
// sm_90 alone.
bool runs(const std::string& code, std::int64_t architecture) {
  int built = 0;
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), built);
  if (error != std::errc{}) return false;
  if (end != code.data() + code.size()) return built == architecture;
  return built / 10 == architecture / 10 && built <= architecture;
}

void check_build(const Facts& facts, Findings& findings) {
  if (!facts.build.cuda_version) {
    findings.push_back(make_finding(
        kNoCuda, {.evidence = fmt::format("{} found; this build was made without a CUDA toolkit.",
                                          label(facts.gpus.front())),
                  .consequence = "Models run on the CPU.",
                  .fix = "Install a CUDA toolkit (nvcc 12.4 or later) and build again.",
                  .next_command = "./dev gpu"}));
    return;
  }
  if (facts.driver.cuda_version &&
      major_of(*facts.driver.cuda_version) < major_of(*facts.build.cuda_version)) {
    findings.push_back(make_finding(
        kTooOld,
        {.evidence = fmt::format("Driver {} serves CUDA {}; this build needs CUDA {}.",
                                 facts.driver.version.value_or("of unknown version"),
                                 *facts.driver.cuda_version, *facts.build.cuda_version),
         .consequence = "The GPU cannot be opened; models run on the CPU.",
         .fix = fmt::format("Update the driver to one for CUDA {}.", *facts.build.cuda_version),
         .next_command = "nvidia-smi"}));
  }
  if (!facts.build.cuda_architectures) return;
  for (const GpuFacts& gpu : facts.gpus) {
    if (!gpu.architecture) continue;
    const auto& built = *facts.build.cuda_architectures;
    if (std::ranges::any_of(
            built, [&](const std::string& code) { return runs(code, *gpu.architecture); })) {
      continue;
    }
    findings.push_back(make_finding(
        kNoCode,
        {.evidence = fmt::format("{} is sm_{}; this build has code for sm_{}.", label(gpu),
                                 *gpu.architecture, fmt::join(built, ", sm_")),
         .consequence = "This GPU cannot be used.",
         .fix = fmt::format("Build with CUDAARCHS={}-real in the environment.", *gpu.architecture),
         .next_command = "./dev gpu"}));
  }
}

void check_bf16(const Facts& facts, Findings& findings) {
  for (const GpuFacts& gpu : facts.gpus) {
    if (!gpu.architecture || *gpu.architecture >= 80 || *gpu.architecture < 10) continue;
    findings.push_back(make_finding(
        kNoBf16,
        {.evidence =
             fmt::format("{} is sm_{}; bf16 came with sm_80.", label(gpu), *gpu.architecture),
         .consequence = "bf16 checkpoints are computed in fp16, with sums and residuals in fp32.",
         .fix = "Nothing: --dtype auto does that. --dtype bf16 is refused there.",
         .next_command = ""}));
  }
}

void check(const CheckInput& input, Findings& findings) {
  check_presence(input.facts, findings);
  if (input.facts.gpus.empty()) return;
  check_build(input.facts, findings);
  check_bf16(input.facts, findings);
}

}  // namespace

const Theme& driver_theme() {
  static constexpr Theme kTheme{"Driver and build", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
