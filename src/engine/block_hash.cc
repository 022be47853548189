// The chain of hashes over blocks of tokens.
#include "engine/block_hash.h"

namespace fathom::engine {

BlockHash root_hash(std::string_view tenant) {
  return base::Sha256::of(std::as_bytes(std::span(tenant)));
}

BlockHash next_hash(const BlockHash& parent, std::span<const base::TokenId> tokens) {
  base::Sha256 sha;
  sha.update(std::as_bytes(std::span(parent)));
  sha.update(std::as_bytes(tokens));
  return sha.finish();
}

}  // namespace fathom::engine
