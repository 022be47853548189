// The table of well-formed byte sequences (Unicode 15, table 3-7) as code.
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Lead {
  std::size_t num_bytes;  // 0: not a lead byte
  unsigned char second_min, second_max;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2 || byte > 0xF4) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) {
    return {3, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF)};
  }
  return {4, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
          static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF)};
}

}  // namespace

Utf8Piece first_utf8_piece(std::string_view text) {
  const Lead lead = lead_of(static_cast<unsigned char>(text[0]));
  if (lead.num_bytes == 0) return {Utf8Start::kInvalid, 1};
  for (std::size_t i = 1; i < lead.num_bytes; ++i) {
    if (i == text.size()) return {Utf8Start::kIncomplete, i};
    const auto byte = static_cast<unsigned char>(text[i]);
    const unsigned char min = i == 1 ? lead.second_min : 0x80;
    const unsigned char max = i == 1 ? lead.second_max : 0xBF;
    if (byte < min || byte > max) return {Utf8Start::kInvalid, i};
  }
  return {Utf8Start::kCharacter, lead.num_bytes};
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Piece piece = first_utf8_piece(text.substr(at));
    if (piece.kind != Utf8Start::kCharacter) break;
    at += piece.num_bytes;
  }
  return at;
}

CodePoint first_code_point(std::string_view valid_text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(valid_text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xE0) {
    return {static_cast<char32_t>((byte(0) & 0x1F) << 6 | (byte(1) & 0x3F)), 2};
  }
  if (byte(0) < 0xF0) {
    return {
        static_cast<char32_t>((byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)),
        3};
  }
  return {static_cast<char32_t>((byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
                                (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F)),
          4};
}

void append_utf8(char32_t code_point, std::string& text) {
  const auto add = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  const auto value = static_cast<std::uint32_t>(code_point);
  if (value < 0x80) {
    add(value);
  } else if (value < 0x800) {
    add(0xC0 | value >> 6);
    add(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    add(0xE0 | value >> 12);
    add(0x80 | (value >> 6 & 0x3F));
    add(0x80 | (value & 0x3F));
  } else {
    add(0xF0 | value >> 18);
    add(0x80 | (value >> 12 & 0x3F));
    add(0x80 | (value >> 6 & 0x3F));
    add(0x80 | (value & 0x3F));
  }
}

std::string to_valid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t good = valid_utf8_prefix(text);
    valid += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    valid += kReplacement;
    text.remove_prefix(first_utf8_piece(text).num_bytes);
  }
  return valid;
}

}  // namespace fathom::tokenizer
