// The themes in the order of a report.
#include "diagnose/checks/checks.h"

#include <algorithm>
#include <array>
#include <iterator>

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
  Findings found;
  for (const Theme* const theme : themes()) theme->check(input, found);
  Findings sorted;
  for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kInfo}) {
    std::ranges::copy_if(found, std::back_inserter(sorted),
                         [&](const Finding& finding) { return finding.severity == severity; });
  }
  return sorted;
}

}  // namespace fathom::diagnose
