// What holds a GPU's clocks back, and how busy it is.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "diagnose/checks/gpu_text.h"
#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kHot{"gpu-thermal-throttling", Severity::kWarning,
                           "heat holds the clocks down"};
constexpr FindingKind kBrake{"gpu-power-brake", Severity::kWarning,
                             "the power supply or the board holds the clocks down"};
constexpr FindingKind kPowerCap{"gpu-power-capped", Severity::kInfo,
                                "the power limit holds the clocks down"};
constexpr FindingKind kPowerLow{"gpu-power-limit-lowered", Severity::kInfo,
                                "the power limit is over 10 % below the card's own"};
constexpr FindingKind kClockSet{"gpu-clocks-set-low", Severity::kWarning,
                                "someone set the clocks below the card's own"};
constexpr FindingKind kStarved{"gpu-utilization-low", Severity::kInfo,
                               "a process has the GPU, which runs kernels under 50 % of the time"};
constexpr FindingKind kPersistence{"gpu-persistence-off", Severity::kInfo,
                                   "the driver unloads when nobody uses the GPU"};
constexpr std::array kKinds{kHot, kBrake, kPowerCap, kPowerLow, kClockSet, kStarved, kPersistence};

constexpr double kLowUtilizationPercent = 50;

bool has_reason(const GpuFacts& gpu, std::string_view reason) {
  return gpu.health.clock_reasons && std::ranges::count(*gpu.health.clock_reasons, reason) > 0;
}

std::string clocks_text(const GpuHealthFacts& health) {
  if (!health.sm_clock_mhz || !health.max_sm_clock_mhz) return "clocks: not supported";
  return fmt::format("{} of {} MHz", *health.sm_clock_mhz, *health.max_sm_clock_mhz);
}

std::string next_query(const GpuFacts& gpu) {
  return fmt::format("nvidia-smi -i {} -q -d PERFORMANCE,TEMPERATURE,POWER", gpu.index);
}

void check_heat_and_brake(const GpuFacts& gpu, Findings& findings) {
  const GpuHealthFacts& health = gpu.health;
  const bool is_hot =
      has_reason(gpu, "thermal (software)") || has_reason(gpu, "thermal (hardware)");
  if (is_hot) {
    findings.push_back(make_finding(
        kHot, {.evidence = fmt::format(
                   "{}: {}, {}; the driver names heat as the reason.", label(gpu),
                   health.temperature_c ? fmt::format("{:.0f} degrees C", *health.temperature_c)
                                        : "temperature not supported",
                   clocks_text(health)),
               .consequence = "Prompts are computed more slowly, in proportion to the clock; "
                              "decoding loses less, as memory bounds it.",
               .fix = "Improve the air flow, lower the room's temperature, or set a power limit "
                      "that the cooling can carry.",
               .next_command = next_query(gpu)}));
  }
  if (has_reason(gpu, "power brake") || (has_reason(gpu, "hardware slowdown") && !is_hot)) {
    findings.push_back(make_finding(
        kBrake, {.evidence = fmt::format("{}: {}; the driver names an outside power brake or a "
                                         "hardware slowdown.",
                                         label(gpu), clocks_text(health)),
                 .consequence = "The GPU runs at a half of its clocks or less.",
                 .fix = "Check the power cables and the server's power supplies.",
                 .next_command = next_query(gpu)}));
  }
}

void check_power(const GpuFacts& gpu, Findings& findings) {
  const GpuHealthFacts& health = gpu.health;
  if (has_reason(gpu, "power cap")) {
    findings.push_back(make_finding(
        kPowerCap, {.evidence = fmt::format("{}: {}; power cap{}.", label(gpu), clocks_text(health),
                                            health.power_limit_w
                                                ? fmt::format(" {:.0f} W", *health.power_limit_w)
                                                : std::string()),
                    .consequence = "Usual at full load: the card takes all the power it may.",
                    .fix = "Nothing, unless the limit was lowered.",
                    .next_command = next_query(gpu)}));
  }
  if (health.power_limit_w && health.default_power_limit_w &&
      *health.power_limit_w < 0.9 * *health.default_power_limit_w) {
    findings.push_back(make_finding(
        kPowerLow,
        {.evidence = fmt::format("{}: the limit is {:.0f} W, the card's own {:.0f} W.", label(gpu),
                                 *health.power_limit_w, *health.default_power_limit_w),
         .consequence = "Prompts take longer; decoding hardly changes, as memory bounds it.",
         .fix = "Raise the limit if first tokens are too late.",
         .next_command = fmt::format("nvidia-smi -i {} -pl {:.0f}", gpu.index,
                                     *health.default_power_limit_w)}));
  }
  if (has_reason(gpu, "clock setting")) {
    findings.push_back(make_finding(
        kClockSet, {.evidence = fmt::format("{}: {}; the driver names a clock setting.", label(gpu),
                                            clocks_text(health)),
                    .consequence = "The GPU may not use the clocks that it has.",
                    .fix = "Reset the application clocks and the locked clocks.",
                    .next_command = fmt::format("nvidia-smi -i {} -rac && nvidia-smi -i {} -rgc",
                                                gpu.index, gpu.index)}));
  }
}

void check_utilization(const GpuFacts& gpu, Findings& findings) {
  const bool is_taken = !gpu.memory.processes.value_or(std::vector<ProcessFacts>{}).empty();
  if (!is_taken || !gpu.utilization_percent) return;
  if (*gpu.utilization_percent <= 0 || *gpu.utilization_percent >= kLowUtilizationPercent) return;
  findings.push_back(make_finding(
      kStarved,
      {.evidence = fmt::format("{}: utilization {:.0f} %, with a process on it.", label(gpu),
                               *gpu.utilization_percent),
       .consequence = "This number is the share of time in which any kernel ran, however well. Low "
                      "means that the GPU waits for work: requests, the host, or launches. It says "
                      "nothing about how good the kernels are; 100 % does not either.",
       .fix = "Send more requests at a time, look at the host's processors, keep recorded steps "
              "on. Judge kernels by the bandwidth they reach: doctor --level 2.",
       .next_command = "fathom doctor --url http://127.0.0.1:8000"}));
}

void check(const CheckInput& input, Findings& findings) {
  for (const GpuFacts& gpu : input.facts.gpus) {
    check_heat_and_brake(gpu, findings);
    check_power(gpu, findings);
    check_utilization(gpu, findings);
    if (gpu.persistence_enabled == false) {
      findings.push_back(make_finding(
          kPersistence,
          {.evidence = fmt::format("{}: persistence mode is off.", label(gpu)),
           .consequence = "The first program after a pause waits seconds for the driver, and error "
                          "counters start again at 0.",
           .fix = "Run nvidia-persistenced, or switch the mode on.",
           .next_command = fmt::format("nvidia-smi -i {} -pm 1", gpu.index)}));
    }
  }
}

}  // namespace

const Theme& gpu_clocks_theme() {
  static constexpr Theme kTheme{"GPU clocks and load", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
