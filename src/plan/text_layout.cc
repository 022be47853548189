// Rounding and wrapping.
#include "plan/text_layout.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>

namespace fathom::plan {

std::string number_text(double value) {
  const double size = std::abs(value);
  if (size >= 99.95 || value == 0) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  if (size >= 0.9995) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3f}", value);
}

namespace {

// A range's values are not known to more than two digits.
std::string short_text(double value) {
  if (value >= 9999.5) return fmt::format("{:.0f}k", value / 1e3);
  if (value >= 9.95) return fmt::format("{:.0f}", value);
  if (value >= 0.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

}  // namespace

std::string range_text(const std::optional<Range>& range) {
  if (!range) return "-";
  return fmt::format("{} {}-{}", short_text(range->likely), short_text(range->low),
                     short_text(range->high));
}

std::string count_text(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string paragraph(std::string_view lead, std::string_view text) {
  std::string out(lead);
  std::size_t at = lead.size();
  std::istringstream words{std::string(text)};
  bool is_first = true;
  for (std::string word; words >> word;) {
    if (!is_first && at + 1 + word.size() > kTextColumns) {
      out += "\n" + std::string(lead.size(), ' ');
      at = lead.size();
      is_first = true;
    }
    if (!is_first) out += ' ';
    at += word.size() + (is_first ? 0 : 1);
    out += word;
    is_first = false;
  }
  return out + "\n";
}

}  // namespace fathom::plan
