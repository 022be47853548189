// Slices of texts keep their marks; changed bytes keep them where places stay the same.
#include "tokenizer/template/text_functions.h"

#include <cctype>

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kSpaces = " \t\n\r\f\v";

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

Text strip(const Text& text, std::string_view characters, bool at_start, bool at_end) {
  const std::string_view set = characters.empty() ? kSpaces : characters;
  std::size_t begin = 0;
  std::size_t end = text.bytes.size();
  while (at_start && begin < end && set.find(text.bytes[begin]) != std::string_view::npos) ++begin;
  while (at_end && end > begin && set.find(text.bytes[end - 1]) != std::string_view::npos) --end;
  return text.slice(begin, end);
}

std::vector<Text> split(const Text& text, std::string_view separator, std::int64_t max_splits) {
  std::vector<Text> parts;
  const std::string& bytes = text.bytes;
  std::size_t begin = 0;
  if (separator.empty()) {
    begin = bytes.find_first_not_of(kSpaces);
    while (begin != std::string::npos) {
      const bool is_last = max_splits >= 0 && std::ssize(parts) >= max_splits;
      std::size_t end = is_last ? std::string::npos : bytes.find_first_of(kSpaces, begin);
      if (end == std::string::npos) end = bytes.size();
      parts.push_back(text.slice(begin, end));
      begin = bytes.find_first_not_of(kSpaces, end);
    }
    return parts;
  }
  while (max_splits < 0 || std::ssize(parts) < max_splits) {
    const std::size_t end = bytes.find(separator, begin);
    if (end == std::string::npos) break;
    parts.push_back(text.slice(begin, end));
    begin = end + separator.size();
  }
  parts.push_back(text.slice(begin, bytes.size()));
  return parts;
}

bool replace(const Text& text, const Text& from, const Text& to, std::int64_t max_count,
             std::size_t max_bytes, Text& result) {
  result = Text();
  std::size_t begin = 0;
  const std::string& bytes = text.bytes;
  for (std::int64_t count = 0; max_count < 0 || count < max_count; ++count) {
    // An empty pattern stands before every byte and at the end.
    const std::size_t found =
        from.bytes.empty() ? (count == 0 ? 0 : begin + 1) : bytes.find(from.bytes, begin);
    if (found == std::string::npos || found > bytes.size()) break;
    result.append(text.slice(begin, found));
    result.append(to);
    if (result.bytes.size() > max_bytes) return false;
    begin = found + from.bytes.size();
  }
  if (begin < bytes.size()) result.append(text.slice(begin, bytes.size()));
  return result.bytes.size() <= max_bytes;
}

Text to_upper(const Text& text) {
  Text changed = text;
  for (char& c : changed.bytes) c = upper(c);
  return changed;
}

Text to_lower(const Text& text) {
  Text changed = text;
  for (char& c : changed.bytes) c = lower(c);
  return changed;
}

Text to_title(const Text& text) {
  Text changed = text;
  bool in_word = false;
  for (char& c : changed.bytes) {
    c = in_word ? lower(c) : upper(c);
    in_word = is_letter(c) || static_cast<unsigned char>(c) >= 0x80;
  }
  return changed;
}

Text to_capitalized(const Text& text) {
  Text changed = to_lower(text);
  if (!changed.bytes.empty()) changed.bytes[0] = upper(changed.bytes[0]);
  return changed;
}

}  // namespace fathom::tokenizer
