// Names of severities, and findings from their kinds.
#include "diagnose/finding.h"

#include <utility>

namespace fathom::diagnose {

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "unknown";
}

Finding make_finding(const FindingKind& kind, FindingText text) {
  return {.id = kind.id,
          .severity = kind.severity,
          .evidence = std::move(text.evidence),
          .consequence = std::move(text.consequence),
          .fix = std::move(text.fix),
          .next_command = std::move(text.next_command)};
}

}  // namespace fathom::diagnose
