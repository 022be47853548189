// Numbers and paragraphs as the tables show them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plan/range.h"

namespace fathom::plan {

inline constexpr std::size_t kTextColumns = 80;

// Three digits that mean something: "0.123", "4.56", "78.9", "1234".
std::string number_text(double value);
// "1 sequence", "3 sequences".
std::string count_text(std::int64_t count, std::string_view noun);
// "45 32-64"; "-" for nothing.
std::string range_text(const std::optional<Range>& range);

// Words in lines of at most 80 characters; the first after `lead`, the others below its end.
std::string paragraph(std::string_view lead, std::string_view text);

}  // namespace fathom::plan
