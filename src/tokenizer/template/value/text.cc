// Texts with trust, and the UTF-8 that they need.
#include "tokenizer/template/value/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

namespace fathom::tokenizer::jinja {
namespace {

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// The code point at `offset` of valid UTF-8, and its length.
std::pair<char32_t, std::size_t> decode(std::string_view bytes, std::size_t offset) {
  utf8proc_int32_t code_point = 0;
  const auto length =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()) + offset,
                       static_cast<utf8proc_ssize_t>(bytes.size() - offset), &code_point);
  if (length <= 0) return {U'\uFFFD', 1};
  return {static_cast<char32_t>(code_point), static_cast<std::size_t>(length)};
}

}  // namespace

Text::Text(std::string bytes, bool is_untrusted) : bytes_(std::move(bytes)) {
  if (is_untrusted) mark(0, bytes_.size());
}

void Text::mark(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!untrusted_.empty() && untrusted_.back().end == begin) {
    untrusted_.back().end = end;
  } else {
    untrusted_.push_back({begin, end});
  }
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text result;
  result.append(*this, begin, end);
  return result;
}

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  const std::size_t start = bytes_.size();
  bytes_.append(other.bytes_, begin, end - begin);
  auto range =
      std::upper_bound(other.untrusted_.begin(), other.untrusted_.end(), begin,
                       [](std::size_t at, const base::ByteRange& item) { return at < item.end; });
  for (; range != other.untrusted_.end() && range->begin < end; ++range) {
    mark(start + std::max(range->begin, begin) - begin, start + std::min(range->end, end) - begin);
  }
}

void Text::append(std::string_view bytes, bool is_untrusted) {
  const std::size_t start = bytes_.size();
  bytes_.append(bytes);
  if (is_untrusted) mark(start, bytes_.size());
}

Characters::Character Characters::next() {
  const auto [code_point, length] = decode(text_.bytes(), begin_);
  const auto ranges = text_.untrusted();
  while (range_ < ranges.size() && ranges[range_].end <= begin_) ++range_;
  const bool is_untrusted = range_ < ranges.size() && ranges[range_].begin <= begin_;
  const Character character{code_point, std::string_view(text_.bytes()).substr(begin_, length),
                            is_untrusted};
  begin_ += length;
  return character;
}

bool is_valid_utf8(std::string_view bytes) {
  std::size_t offset = 0;
  while (offset < bytes.size()) {
    utf8proc_int32_t code_point = 0;
    const auto length =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()) + offset,
                         static_cast<utf8proc_ssize_t>(bytes.size() - offset), &code_point);
    if (length <= 0) return false;
    offset += static_cast<std::size_t>(length);
  }
  return true;
}

std::size_t count_characters(std::string_view bytes) {
  return bytes.size() -
         static_cast<std::size_t>(std::count_if(bytes.begin(), bytes.end(), is_continuation));
}

std::size_t character_offset(std::string_view bytes, std::size_t character) {
  std::size_t offset = 0;
  while (offset < bytes.size()) {
    if (!is_continuation(bytes[offset])) {
      if (character == 0) return offset;
      --character;
    }
    ++offset;
  }
  return offset;
}

bool is_space(char32_t code_point) {
  if (code_point <= 0x20) return (code_point >= 9 && code_point <= 13) || code_point >= 0x1C;
  static constexpr std::array<char32_t, 8> kSingles = {0x85,   0xA0,   0x1680, 0x2028,
                                                       0x2029, 0x202F, 0x205F, 0x3000};
  return (code_point >= 0x2000 && code_point <= 0x200A) ||
         std::find(kSingles.begin(), kSingles.end(), code_point) != kSingles.end();
}

void append_utf8(char32_t code_point, std::string& out) {
  std::array<utf8proc_uint8_t, 4> encoded{};
  const auto length =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), encoded.data());
  out.append(reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length));
}

std::size_t leading_space_bytes(std::string_view bytes) {
  std::size_t offset = 0;
  while (offset < bytes.size()) {
    const auto [code_point, length] = decode(bytes, offset);
    if (!is_space(code_point)) break;
    offset += length;
  }
  return offset;
}

std::size_t trailing_space_bytes(std::string_view bytes) {
  std::size_t end = bytes.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (begin > 0 && is_continuation(bytes[begin])) --begin;
    if (!is_space(decode(bytes, begin).first)) break;
    end = begin;
  }
  return bytes.size() - end;
}

}  // namespace fathom::tokenizer::jinja
