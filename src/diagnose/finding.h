// Finding: one thing that a check saw, why it matters, and what to do.
#pragma once

#include <string>
#include <string_view>

namespace fathom::diagnose {

enum class Severity {
  kInfo,     // good to know; nothing is wrong
  kWarning,  // costs speed, memory or safety
  kError,    // something does not work, or will not
};

// "info", "warning", "error".
std::string_view name(Severity severity);

// A kind of finding. Ids stay the same from version to version.
struct FindingKind {
  std::string_view id;  // "gpu-memory-held-by-others"
  Severity severity = Severity::kInfo;
  std::string_view meaning;  // when it is raised, for docs/doctor.md
};

// Whole sentences, in numbers where there are some.
struct Finding {
  std::string_view id;
  Severity severity = Severity::kInfo;
  std::string evidence;      // what was read
  std::string consequence;   // for this model, if one is named
  std::string fix;           // what to change
  std::string next_command;  // to run next; may be empty
};

// What differs from one finding of a kind to another.
struct FindingText {
  std::string evidence;
  std::string consequence;
  std::string fix;
  std::string next_command;
};

Finding make_finding(const FindingKind& kind, FindingText text);

}  // namespace fathom::diagnose
