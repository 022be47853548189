// Fuzz target: any bytes as a tokenizer.json; one that loads must encode and decode text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

using fathom::tokenizer::to_valid_utf8;
using fathom::tokenizer::Tokenizer;

namespace {

constexpr std::size_t kMaxTextBytes = 256;

// The ids are the vocabulary's, and decoding them gives valid text.
void check_text(const Tokenizer& tokenizer, const std::string& text) {
  const auto tokens = tokenizer.encode(text);
  if (!tokens) return;  // a pattern that needs too much backtracking
  const auto decoded = tokenizer.decode(*tokens, {.skip_special = false});
  if (!decoded || to_valid_utf8(*decoded) != *decoded) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = Tokenizer::parse(input, {}, "fuzz");
  if (!tokenizer) return 0;
  const std::size_t text_bytes = std::min(size, kMaxTextBytes);
  check_text(**tokenizer, to_valid_utf8(input.substr(size - text_bytes)));
  check_text(**tokenizer, "I'll pay 1234 \xE2\x82\xAC\r\n  \xE4\xB8\x96\xE7\x95\x8C e\xCC\x81 ");
  return 0;
}
