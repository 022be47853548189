// Character to byte by table.
#include "tokenizer/byte_alphabet.h"

#include <array>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr std::size_t kAlphabetEnd = kFirstStandIn + 68;

constexpr bool stands_for_itself(std::size_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

// Byte of each character below kAlphabetEnd, or -1.
constexpr std::array<int, kAlphabetEnd> kByteOf = [] {
  std::array<int, kAlphabetEnd> table{};
  for (int& byte : table) byte = -1;
  std::size_t next = kFirstStandIn;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    table[stands_for_itself(byte) ? byte : next++] = static_cast<int>(byte);
  }
  return table;
}();

}  // namespace

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  while (!spelling.empty()) {
    if (first_utf8_piece(spelling).kind != Utf8Start::kCharacter) return std::nullopt;
    const CodePoint next = first_code_point(spelling);
    if (next.value >= kAlphabetEnd || kByteOf[next.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kByteOf[next.value]));
    spelling.remove_prefix(next.num_bytes);
  }
  return bytes;
}

}  // namespace fathom::tokenizer
