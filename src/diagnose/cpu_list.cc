// Ranges between commas.
#include "diagnose/cpu_list.h"

#include <charconv>

namespace fathom::diagnose {

std::optional<std::set<std::int64_t>> parse_cpu_list(std::string_view text) {
  constexpr std::int64_t kMax = 65'536;
  std::set<std::int64_t> cpus;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const char* const end = part.data() + part.size();
    std::int64_t first = 0;
    auto read = std::from_chars(part.data(), part.data() + part.size(), first);
    std::int64_t last = first;
    if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-') {
      read = std::from_chars(read.ptr + 1, end, last);
    }
    const bool is_range = read.ec == std::errc{} && read.ptr == end;
    if (!is_range || first < 0 || last < first || last >= kMax) return std::nullopt;
    for (std::int64_t cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
  return cpus;
}

}  // namespace fathom::diagnose
