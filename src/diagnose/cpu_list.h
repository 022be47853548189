// Lists of processors as the kernel writes them: "0-3,8".
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

namespace fathom::diagnose {

// Nothing: not such a list, or one of over 65536 processors.
std::optional<std::set<std::int64_t>> parse_cpu_list(std::string_view text);

}  // namespace fathom::diagnose
