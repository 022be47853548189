// Byte-pair encoding of one piece of text.
//
// Source: arXiv:1508.07909. The pair of neighbours with the lowest rank merges first, the
// leftmost of equals. Cost: O(n log n) for n bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"

namespace fathom::tokenizer {

using base::TokenId;

// Immutable after building; any thread may encode.
class Bpe {
 public:
  // Whole pieces that are tokens need no merges ("ignore_merges").
  void set_whole_pieces(std::unordered_map<std::string, TokenId> tokens) {
    whole_pieces_ = std::move(tokens);
  }
  void set_byte_token(unsigned char byte, TokenId token) { byte_tokens_[byte] = token; }
  bool has_byte_token(unsigned char byte) const { return base::index(byte_tokens_[byte]) >= 0; }
  void reserve(std::size_t num_merges);
  // Merges are added in order of rank. The first rule for a pair counts.
  void add_merge(TokenId left, TokenId right, TokenId merged);

  // Appends the piece's tokens.
  void encode(std::string_view piece, std::vector<TokenId>& tokens) const;

 private:
  struct Merge {
    std::uint64_t pair;  // left and right ids; kEmpty: a free slot
    std::int32_t rank;
    TokenId merged;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  static std::uint64_t key(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  const Merge* find(TokenId left, TokenId right) const;
  std::size_t slot_of(std::uint64_t pair) const;
  void encode_short(std::string_view piece, std::vector<TokenId>& tokens) const;
  void encode_long(std::string_view piece, std::vector<TokenId>& tokens) const;

  std::array<TokenId, 256> byte_tokens_ = [] {
    std::array<TokenId, 256> none{};
    none.fill(TokenId{-1});
    return none;
  }();
  std::vector<Merge> merges_;  // open addressing; a power of two of slots, at most half full
  std::int32_t num_merges_ = 0;
  std::unordered_map<std::string, TokenId> whole_pieces_;
};

}  // namespace fathom::tokenizer
