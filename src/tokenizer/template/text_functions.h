// Operations on Text that methods and filters share.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/template/value.h"

namespace fathom::tokenizer {

// Without the given characters (white space if empty) at the start and the end.
Text strip(const Text& text, std::string_view characters, bool at_start, bool at_end);
// Parts between separators; white space runs if the separator is empty. max_splits < 0: all.
std::vector<Text> split(const Text& text, std::string_view separator, std::int64_t max_splits);
// Every `from` as `to`, at most max_count times (< 0: all); refused over max_bytes by returning
// false.
bool replace(const Text& text, const Text& from, const Text& to, std::int64_t max_count,
             std::size_t max_bytes, Text& result);
// ASCII letters only.
Text to_upper(const Text& text);
Text to_lower(const Text& text);
Text to_title(const Text& text);
Text to_capitalized(const Text& text);

}  // namespace fathom::tokenizer
