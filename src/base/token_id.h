// TokenId: an entry of a model's vocabulary.
#pragma once

#include <cstdint>

namespace fathom::base {

// A type of its own, so that a token is never taken for a count or a position. Arrays of tokens
// lie in memory as arrays of int32.
enum class TokenId : std::int32_t {};

constexpr std::int32_t index(TokenId token) { return static_cast<std::int32_t>(token); }

}  // namespace fathom::base
