// String operations behind filters and methods: Python's str, with trust kept byte for byte.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tokenizer/template/value/value.h"

namespace fathom::tokenizer::jinja {

enum class Side { kBoth, kLeft, kRight };
enum class Case { kUpper, kLower, kTitle, kCapitalized };

// Removes white space, or the characters of *characters.
Result<Text> strip(const Text& text, Side side, const Text* characters, Budget& budget);

// Characters map one to one (but for the German sharp s), by Unicode's simple mappings.
Result<Text> change_case(const Text& text, Case target, Budget& budget);
// Words as Jinja's title filter takes them: after white space, '-' or an opening bracket.
Result<Text> title_words(const Text& text, Budget& budget);

// The first max_count occurrences; an empty `from` matches between all characters.
struct Replacement {
  const Text& from;
  const Text& to;
  std::int64_t max_count = -1;  // negative: all
};
Result<Text> replace(const Text& text, const Replacement& replacement, Budget& budget);

// Nothing as separator: runs of white space. max_splits < 0: all.
struct Split {
  const Text* separator = nullptr;
  std::int64_t max_splits = -1;
  bool from_right = false;
};
Result<std::vector<Value>> split(const Text& text, const Split& how, Budget& budget);
Result<std::vector<Value>> split_lines(const Text& text, bool keep_ends, Budget& budget);

// The byte offset of the first (or last) occurrence. Linear time.
std::optional<std::size_t> find_first(std::string_view text, std::string_view needle);
std::optional<std::size_t> find_last(std::string_view text, std::string_view needle);

// The items as text, with the separator between them.
Result<Text> join(const std::vector<Value>& items, const Text& separator, Budget& budget);

}  // namespace fathom::tokenizer::jinja
