// The formats of JSON schema strings.
#pragma once

#include <string>
#include <string_view>

namespace fathom::grammar {

// The regular expression of a format, for the whole string; empty for one that is not supported.
std::string pattern_of_format(std::string_view format);
constexpr std::string_view kSupportedFormats = "date, time, date-time, uuid, ipv4, email";

}  // namespace fathom::grammar
