// Byte-pair encoding of one piece of text.
//
// Source: arXiv:1508.07909. The pair of neighbours with the lowest rank merges first, the
// leftmost of equals. Cost: O(n log n) for n bytes.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "tokenizer/merge_borders.h"

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
  static constexpr std::size_t kMaxMerges = (std::size_t{1} << 24) - 1;
  void reserve(std::size_t num_merges);  // at most kMaxMerges
  // Merges are added in order of rank. The first rule for a pair counts.
  struct MergeRule {
    TokenId left{}, right{}, merged{};
    std::string_view left_bytes, right_bytes;
  };
  void add_merge(const MergeRule& rule);

  // Appends the piece's tokens: calls on_run(run) -> Result<void> for its parts, in order, whose
  // tokens are to be appended by encode_run() or from memory.
  template <typename F>
  base::Result<void> encode(std::string_view piece, std::vector<TokenId>& tokens,
                            F&& on_run) const {
    if (append_whole(piece, tokens)) return {};
    while (!piece.empty()) {
      const std::size_t size = borders_.prefix_bytes(piece);
      TRY(on_run(piece.substr(0, size)));
      piece.remove_prefix(size);
    }
    return {};
  }
  // Appends the tokens of a part as encode() gives it.
  void encode_run(std::string_view run, std::vector<TokenId>& tokens) const;

 private:
  // A merge's index is its rank.
  struct Merge {
    TokenId left{}, right{}, merged{};
  };
  using Rank = std::int32_t;
  static constexpr Rank kNoMerge = std::numeric_limits<Rank>::max();
  Rank rank_of(TokenId left, TokenId right) const;
  static std::uint64_t hash_of(TokenId left, TokenId right);
  static std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 32) & kTagMask;
  }
  std::size_t first_slot(std::uint64_t hash) const { return (hash >> 20) & (slots_.size() - 1); }
  std::size_t next_slot(std::size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  TokenId merged_by(Rank rank) const { return merges_[static_cast<std::size_t>(rank)].merged; }
  static std::size_t byte_pair(char left, char right) {
    return std::size_t{static_cast<unsigned char>(left)} << 8 | static_cast<unsigned char>(right);
  }
  bool append_whole(std::string_view piece, std::vector<TokenId>& tokens) const;
  void encode_short(std::string_view piece, std::vector<TokenId>& tokens) const;
  void encode_long(std::string_view piece, std::vector<TokenId>& tokens) const;

  std::array<TokenId, 256> byte_tokens_ = [] {
    std::array<TokenId, 256> none{};
    none.fill(TokenId{-1});
    return none;
  }();
  std::vector<Merge> merges_;
  // Open addressing: a power of two of slots, at most half full. A slot holds a merge's rank and,
  // above it, bits of its hash, so that most slots of other pairs are passed over unopened.
  static constexpr std::uint32_t kTagMask = 0xFF000000;
  static constexpr std::uint32_t kFree = ~std::uint32_t{0};
  std::vector<std::uint32_t> slots_;
  std::vector<Rank> byte_pair_ranks_;  // of two single bytes, where every piece begins
  MergeBorders borders_;
  std::unordered_map<std::string, TokenId> whole_pieces_;
};

}  // namespace fathom::tokenizer
