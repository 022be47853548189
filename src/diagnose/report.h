// A diagnosis as text for people and as JSON for machines.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "diagnose/checks/theme.h"

namespace fathom::diagnose {

// Lines of at most 80 columns, unless one word is longer: what the machine is, then each finding
// with evidence, consequence, fix and next command. No control characters, whatever the facts hold.
std::string report_text(const Facts& facts, const Findings& findings, int level);

// Every fact with its place and its value, or "not supported".
std::string facts_text(const Facts& facts);

// {"level": 1, "facts": {...}, "findings": [{"id", "severity", "evidence", "consequence", "fix",
// "next_command"}]}
boost::json::object report_json(const Facts& facts, const Findings& findings, int level);

// `text` wrapped word by word to 80 columns, behind `first`; every line after the first indented.
std::string wrapped(std::string_view first, std::size_t indent, std::string_view text);

}  // namespace fathom::diagnose
