// Unicode normalization form C.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom::tokenizer {

// Whether every character is one that form C leaves alone whatever stands beside it. Cheap; false
// says nothing.
bool is_surely_nfc(std::string_view valid_text);

// The text in form C. Cost: n log n at worst, for a text of combining marks alone.
base::Result<std::string> to_nfc(std::string_view valid_text);

}  // namespace fathom::tokenizer
