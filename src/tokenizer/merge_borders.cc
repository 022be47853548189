// Two tables of bits: pairs of characters, and pairs of bytes for tokens that end inside one.
#include "tokenizer/merge_borders.h"

#include <cstdint>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// Real vocabularies join up to 23 thousand pairs: one in twenty of the others is taken for joined.
constexpr int kHashBits = 19;
// Shorter characters belong to scripts whose words merge as a whole; they are never cut.
constexpr unsigned char kFirstLeadOfThree = 0xE0;

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

std::size_t hash_of(char32_t left, char32_t right) {
  const std::uint64_t pair = std::uint64_t{left} << 32 | right;
  return (pair * 0x9E3779B97F4A7C15U) >> (64 - kHashBits);
}

std::size_t pair_of(unsigned char left, unsigned char right) {
  return std::size_t{left} << 8 | right;
}

// The last character of a token's bytes; empty if it begins before them.
std::string_view last_character(std::string_view bytes) {
  std::size_t begin = bytes.size() - 1;
  while (begin > 0 && is_continuation(byte_at(bytes, begin))) --begin;
  const std::string_view last = bytes.substr(begin);
  const Utf8Piece piece = first_utf8_piece(last);
  const bool is_whole = piece.kind == Utf8Start::kCharacter && piece.num_bytes == last.size();
  return is_whole ? last : std::string_view();
}

}  // namespace

MergeBorders::MergeBorders()
    : joined_characters_(std::size_t{1} << kHashBits), joined_fragments_(std::size_t{1} << 16) {}

void MergeBorders::learn(std::string_view left, std::string_view right) {
  if (byte_at(right, 0) < kFirstLeadOfThree) return;  // no border that is ever cut
  const std::string_view last = last_character(left);
  if (!last.empty() && byte_at(last, 0) < kFirstLeadOfThree) return;
  if (last.empty() || first_utf8_piece(right).kind != Utf8Start::kCharacter) {
    joined_fragments_[pair_of(byte_at(left, left.size() - 1), byte_at(right, 0))] = true;
    return;
  }
  joined_characters_[hash_of(first_code_point(last).value, first_code_point(right).value)] = true;
}

std::size_t MergeBorders::prefix_bytes(std::string_view text) const {
  std::size_t at = 0;
  while (at < text.size()) {
    if (byte_at(text, at) < kFirstLeadOfThree) {
      ++at;
      continue;
    }
    const CodePoint left = first_code_point(text.substr(at));
    at += left.num_bytes;
    if (at == text.size() || byte_at(text, at) < kFirstLeadOfThree) continue;
    const CodePoint right = first_code_point(text.substr(at));
    if (!joined_characters_[hash_of(left.value, right.value)] &&
        !joined_fragments_[pair_of(byte_at(text, at - 1), byte_at(text, at))]) {
      return at;
    }
  }
  return at;
}

}  // namespace fathom::tokenizer
