// BlockHash: the identity of a block of tokens together with everything before it.
//
// A chain of SHA-256: a block's hash covers the hash before it and its own tokens, the first
// one's the tenant's name. So equal hashes mean equal prefixes of one tenant, and nobody can probe
// for what another tenant has sent.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/sha256.h"
#include "base/token_id.h"

namespace fathom::engine {

using BlockHash = base::Sha256::Digest;

// Stands before a tenant's first block.
BlockHash root_hash(std::string_view tenant);
BlockHash next_hash(const BlockHash& parent, std::span<const base::TokenId> tokens);

// For hash tables: SHA-256 is uniform, so its first bytes do.
struct BlockHashHasher {
  std::size_t operator()(const BlockHash& hash) const {
    std::size_t value = 0;
    std::memcpy(&value, hash.data(), sizeof(value));
    return value;
  }
};

}  // namespace fathom::engine
