// The byte alphabet of byte-level BPE: 256 printable characters that stand for bytes.
//
// Printable ASCII and Latin-1 characters stand for themselves; the other 68 bytes, in order, for
// U+0100 and up. Source: the byte-to-unicode table of GPT-2's tokenizer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fathom::tokenizer {

// The bytes that a token's spelling stands for; nullopt if a character is not of the alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

}  // namespace fathom::tokenizer
