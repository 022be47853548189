// utf8proc behind a quick check.
#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>

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

}  // namespace

bool is_surely_nfc(std::string_view text) {
  while (!text.empty()) {
    if (static_cast<unsigned char>(text[0]) < 0x80) {
      text.remove_prefix(1);
      continue;
    }
    const CodePoint next = first_code_point(text);
    if (!is_inert(next.value)) return false;
    text.remove_prefix(next.num_bytes);
  }
  return true;
}

base::Result<std::string> to_nfc(std::string_view valid_text) {
  utf8proc_uint8_t* composed = nullptr;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(valid_text.data()),
                   static_cast<utf8proc_ssize_t>(valid_text.size()), &composed, options);
  if (size < 0) {
    return base::fail(base::ErrorCode::kInternal, "normalizer", "{}", utf8proc_errmsg(size));
  }
  std::string text(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
  std::free(composed);
  return text;
}

}  // namespace fathom::tokenizer
