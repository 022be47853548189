// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::diagnose {

// "13.8 GiB", "480 KiB".
std::string bytes_text(std::int64_t bytes);
// Without escape sequences: control characters and bytes that are not UTF-8 become '?'.
std::string printable(std::string_view text);

}  // namespace fathom::diagnose
