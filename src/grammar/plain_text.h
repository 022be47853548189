// Plain text: what JSON strings and most free text read without looking. It is nine tenths of a
// vocabulary, so that a place which reads all of it needs no walk over those tokens.
#pragma once

#include <cstddef>
#include <string_view>

#include "grammar/configurations.h"

namespace fathom::grammar {

constexpr std::size_t kMaxPlainCharacters = 16;

// 1 to kMaxPlainCharacters whole characters, none below U+0020, no quote and no backslash.
bool is_plain_text(std::string_view bytes);

// True only if every plain text can be read from `from`; false also where finding out is dear.
// Cost: some microseconds for each character of the longest plain text, once its transitions are
// known.
bool reads_all_plain_text(Configurations& configurations, ConfigurationId from);

}  // namespace fathom::grammar
