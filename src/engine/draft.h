// Guesses of the next tokens by prompt look-up: what followed the last time these tokens stood.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"

namespace fathom::engine {

// At most max_tokens tokens that followed the latest earlier occurrence of the text's last three
// tokens, or of its last two; empty if there is none. Cost: one pass over the text.
std::vector<base::TokenId> draft_by_lookup(std::span<const base::TokenId> text,
                                           std::int64_t max_tokens);

}  // namespace fathom::engine
