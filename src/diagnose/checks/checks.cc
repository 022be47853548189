// The themes in the order of a report.
#include "diagnose/checks/checks.h"

#include <algorithm>
#include <array>

namespace fathom::diagnose {

std::span<const Theme* const> themes() {
  static const std::array<const Theme*, 14> all{
      &driver_theme(),       &gpu_memory_theme(), &gpu_health_theme(),  &gpu_clocks_theme(),
      &links_theme(),        &platform_theme(),   &host_memory_theme(), &processor_theme(),
      &limits_theme(),       &storage_theme(),    &environment_theme(), &server_theme(),
      &server_limit_theme(), &measured_theme()};
  return all;
}

Findings check(const CheckInput& input) {
  Findings findings;
  for (const Theme* const theme : themes()) theme->check(input, findings);
  std::ranges::stable_sort(findings, [](const Finding& a, const Finding& b) {
    return static_cast<int>(a.severity) > static_cast<int>(b.severity);
  });
  return findings;
}

}  // namespace fathom::diagnose
