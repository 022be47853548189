// utf8proc behind a quick check.
#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// Starters that neither decompose nor compose with what precedes them.
bool is_inert(char32_t c) {
  return c < 0x300 || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3001 && c <= 0x3029) ||
         (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA) ||
         (c >= 0x2010 && c <= 0x205E) || (c >= 0x0400 && c <= 0x0482) ||
         (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xFF01 && c <= 0xFF9D);
}

constexpr auto kComposeOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

base::Error failure(utf8proc_ssize_t code) {
  return base::fail(base::ErrorCode::kInternal, "normalizer", "{}", utf8proc_errmsg(code));
}

// Each character's full canonical decomposition, in the text's order.
base::Result<void> decompose(std::string_view text, std::vector<utf8proc_int32_t>& characters) {
  characters.clear();
  utf8proc_int32_t parts[32];  // the longest decomposition has 4
  while (!text.empty()) {
    const CodePoint next = first_code_point(text);
    text.remove_prefix(next.num_bytes);
    int boundary = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(next.value), parts, std::ssize(parts),
                                kComposeOptions, &boundary);
    if (count < 0) return failure(count);
    characters.insert(characters.end(), parts, parts + count);
  }
  return {};
}

std::uint64_t mark_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

// Sorts each run of combining marks by class, equal ones as they stood. utf8proc's own way is to
// swap neighbours: a megabyte of marks, which anyone may send, would take it hours.
void order_marks(std::vector<utf8proc_int32_t>& characters) {
  std::vector<std::uint64_t> keys;  // class, place in the run and character in one number
  auto done = characters.begin();
  while (true) {
    const auto first = std::find_if(done, characters.end(), mark_class);
    if (first == characters.end()) return;
    done = std::find_if_not(first, characters.end(), mark_class);
    keys.clear();
    for (auto mark = first; mark != done; ++mark) {
      keys.push_back(mark_class(*mark) << 56 | static_cast<std::uint64_t>(mark - first) << 21 |
                     static_cast<std::uint64_t>(*mark));
    }
    std::sort(keys.begin(), keys.end());
    std::transform(keys.begin(), keys.end(), first,
                   [](std::uint64_t key) { return static_cast<utf8proc_int32_t>(key & 0x1FFFFF); });
  }
}

// Appends the text's form C. `characters` is memory to work in.
base::Result<void> append_composed(std::string_view text, std::string& composed,
                                   std::vector<utf8proc_int32_t>& characters) {
  TRY(decompose(text, characters));
  order_marks(characters);
  const utf8proc_ssize_t count =
      utf8proc_normalize_utf32(characters.data(), std::ssize(characters), kComposeOptions);
  if (count < 0) return failure(count);
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    utf8proc_uint8_t bytes[4];
    const auto size = utf8proc_encode_char(characters[static_cast<std::size_t>(i)], bytes);
    composed.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  return {};
}

// Where the first character at or after `from` begins that is inert, or is not.
std::size_t find_character(std::string_view text, std::size_t from, bool inert) {
  while (from < text.size()) {
    const CodePoint next = first_code_point(text.substr(from));
    if (is_inert(next.value) == inert) break;
    from += next.num_bytes;
  }
  return from;
}

std::size_t last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

}  // namespace

bool is_surely_nfc(std::string_view text) { return find_character(text, 0, false) == text.size(); }

// Form C of a character that is not inert depends on its neighbours up to the nearest inert ones,
// the one before included.
base::Result<std::string> to_nfc(std::string_view valid_text) {
  std::string composed;
  composed.reserve(valid_text.size());
  std::vector<utf8proc_int32_t> characters;
  std::size_t done = 0;
  while (true) {
    std::size_t begin = find_character(valid_text, done, false);
    const std::size_t end = find_character(valid_text, begin, true);
    if (begin > done && begin < end) begin = last_character(valid_text.substr(0, begin));
    composed += valid_text.substr(done, begin - done);
    if (begin == end) return composed;
    TRY(append_composed(valid_text.substr(begin, end - begin), composed, characters));
    done = end;
  }
}

}  // namespace fathom::tokenizer
