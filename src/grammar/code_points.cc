// Range arithmetic on code points, and UTF-8 by splitting ranges at the encoding's boundaries.
#include "grammar/code_points.h"

#include <algorithm>

namespace fathom::grammar {
namespace {

constexpr char32_t kMaxCodePoint = 0x10FFFF;
constexpr char32_t kFirstSurrogate = 0xD800;
constexpr char32_t kLastSurrogate = 0xDFFF;

// The last code point of each length of encoding.
constexpr char32_t kLastOfLength[] = {0x7F, 0x7FF, 0xFFFF, kMaxCodePoint};

// Both ends have encodings of the same length.
void append_sequences(char32_t first, char32_t last, std::vector<ByteSequence>& sequences) {
  std::string low;
  std::string high;
  append_utf8(first, low);
  append_utf8(last, high);
  // A suffix of continuation bytes must be free (80..BF) unless all bytes before it are fixed.
  for (std::size_t bytes = 1; bytes < low.size(); ++bytes) {
    const char32_t block = char32_t{1} << (6 * bytes);
    if (first / block == last / block) break;
    if (first % block != 0) {
      const char32_t end = first | (block - 1);
      append_sequences(first, end, sequences);
      append_sequences(end + 1, last, sequences);
      return;
    }
    if (last % block != block - 1) {
      const char32_t end = last & ~(block - 1);
      append_sequences(first, end - 1, sequences);
      append_sequences(end, last, sequences);
      return;
    }
  }
  ByteSequence sequence;
  for (std::size_t i = 0; i < low.size(); ++i)
    sequence.push_back({static_cast<std::uint8_t>(low[i]), static_cast<std::uint8_t>(high[i])});
  sequences.push_back(std::move(sequence));
}

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<CodePointRange> ranges) {
  for (const auto range : ranges) add(range.first, range.last);
}

CodePointSet CodePointSet::all() { return {{0, kMaxCodePoint}}; }

void CodePointSet::add(char32_t first, char32_t last) {
  last = std::min(last, kMaxCodePoint);
  if (first < kFirstSurrogate && last >= kFirstSurrogate) {
    insert({first, kFirstSurrogate - 1});
    first = kFirstSurrogate;
  }
  if (first >= kFirstSurrogate && first <= kLastSurrogate) first = kLastSurrogate + 1;
  if (first <= last) insert({first, last});
}

void CodePointSet::add(const CodePointSet& other) {
  for (const auto range : other.ranges_) insert(range);
}

void CodePointSet::insert(CodePointRange range) {
  // The ranges that touch the new one become part of it.
  const auto begin = std::partition_point(ranges_.begin(), ranges_.end(), [&](const auto& other) {
    return other.last + 1 < range.first;
  });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= range.last + 1; ++end) {
    range.first = std::min(range.first, end->first);
    range.last = std::max(range.last, end->last);
  }
  if (begin == end) {
    ranges_.insert(begin, range);
  } else {
    *begin = range;
    ranges_.erase(begin + 1, end);
  }
}

CodePointSet CodePointSet::complement() const {
  CodePointSet result;
  char32_t next = 0;
  for (const auto& range : ranges_) {
    if (range.first > next) result.add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kMaxCodePoint) result.add(next, kMaxCodePoint);
  return result;
}

CodePointSet CodePointSet::minus(const CodePointSet& other) const {
  CodePointSet outside = complement();
  outside.add(other);
  return outside.complement();
}

bool CodePointSet::contains(char32_t code_point) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const auto& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

std::vector<ByteSequence> utf8_sequences(const CodePointSet& set) {
  std::vector<ByteSequence> sequences;
  for (const auto& range : set.ranges()) {
    char32_t first = range.first;
    for (const char32_t last_of_length : kLastOfLength) {
      if (first > range.last) break;
      if (first > last_of_length) continue;
      const char32_t last = std::min(range.last, last_of_length);
      append_sequences(first, last, sequences);
      first = last + 1;
    }
  }
  return sequences;
}

void append_utf8(char32_t code_point, std::string& text) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point <= 0x7F) {
    put(code_point);
  } else if (code_point <= 0x7FF) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point <= 0xFFFF) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::optional<char32_t> next_code_point(std::string_view text, std::size_t& position) {
  if (position >= text.size()) return std::nullopt;
  const auto lead = static_cast<std::uint8_t>(text[position]);
  const std::size_t num_bytes = lead < 0x80   ? 1
                                : lead < 0xC2 ? 0
                                : lead < 0xE0 ? 2
                                : lead < 0xF0 ? 3
                                : lead < 0xF5 ? 4
                                              : 0;
  if (num_bytes == 0 || text.size() - position < num_bytes) return std::nullopt;
  char32_t value = num_bytes == 1 ? lead : lead & (0x7Fu >> num_bytes);
  for (std::size_t i = 1; i < num_bytes; ++i) {
    const auto byte = static_cast<std::uint8_t>(text[position + i]);
    if ((byte & 0xC0) != 0x80) return std::nullopt;
    value = (value << 6) | (byte & 0x3F);
  }
  const bool is_surrogate = value >= kFirstSurrogate && value <= kLastSurrogate;
  const bool is_overlong = num_bytes > 1 && value <= kLastOfLength[num_bytes - 2];
  if (is_surrogate || is_overlong || value > kMaxCodePoint) return std::nullopt;
  position += num_bytes;
  return value;
}

bool is_valid_utf8(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    if (!next_code_point(text, position)) return false;
  }
  return true;
}

}  // namespace fathom::grammar
