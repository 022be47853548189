// A scan for short pieces, a heap over a linked list for long ones.
#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "base/check.h"

namespace fathom::tokenizer {
namespace {

// Up to here a scan over all neighbours beats the heap.
constexpr std::size_t kShortBytes = 48;

}  // namespace

void Bpe::reserve(std::size_t num_merges) {
  CHECK(num_merges <= kMaxMerges, "{} merges", num_merges);
  merges_.reserve(num_merges);
  slots_.assign(std::bit_ceil(num_merges * 2 + 2), kFree);
  byte_pair_ranks_.assign(std::size_t{1} << 16, kNoMerge);
}

std::uint64_t Bpe::hash_of(TokenId left, TokenId right) {
  const std::uint64_t pair = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
                             static_cast<std::uint32_t>(right);
  return pair * 0x9E3779B97F4A7C15U;
}

void Bpe::add_merge(const MergeRule& rule) {
  CHECK(merges_.size() * 2 < slots_.size(), "more merges than reserved");
  borders_.learn(rule.left_bytes, rule.right_bytes);
  const auto rank = static_cast<std::uint32_t>(merges_.size());
  merges_.push_back({rule.left, rule.right, rule.merged});
  if (rank_of(rule.left, rule.right) != kNoMerge) return;
  const std::uint64_t hash = hash_of(rule.left, rule.right);
  std::size_t slot = first_slot(hash);
  while (slots_[slot] != kFree) slot = next_slot(slot);
  slots_[slot] = tag_of(hash) | rank;
  if (rule.left_bytes.size() == 1 && rule.right_bytes.size() == 1) {
    byte_pair_ranks_[byte_pair(rule.left_bytes[0], rule.right_bytes[0])] = static_cast<Rank>(rank);
  }
}

Bpe::Rank Bpe::rank_of(TokenId left, TokenId right) const {
  const std::uint64_t hash = hash_of(left, right);
  for (std::size_t slot = first_slot(hash);; slot = next_slot(slot)) {
    const std::uint32_t entry = slots_[slot];
    if (entry == kFree) return kNoMerge;
    if ((entry & kTagMask) != tag_of(hash)) continue;
    const std::uint32_t rank = entry & ~kTagMask;
    if (merges_[rank].left == left && merges_[rank].right == right) {
      return static_cast<Rank>(rank);
    }
  }
}

bool Bpe::append_whole(std::string_view piece, std::vector<TokenId>& tokens) const {
  if (whole_pieces_.empty()) return false;
  const auto whole = whole_pieces_.find(std::string(piece));
  if (whole == whole_pieces_.end()) return false;
  tokens.push_back(whole->second);
  return true;
}

void Bpe::encode_run(std::string_view run, std::vector<TokenId>& tokens) const {
  if (run.size() <= kShortBytes) {
    encode_short(run, tokens);
  } else {
    encode_long(run, tokens);
  }
}

void Bpe::encode_short(std::string_view piece, std::vector<TokenId>& tokens) const {
  std::array<TokenId, kShortBytes> symbols{};
  std::array<Rank, kShortBytes> ranks{};  // of symbol i with the next
  std::size_t count = piece.size();
  for (std::size_t i = 0; i < count; ++i) {
    symbols[i] = byte_tokens_[static_cast<unsigned char>(piece[i])];
  }
  for (std::size_t i = 0; i + 1 < count; ++i) {
    ranks[i] = byte_pair_ranks_[byte_pair(piece[i], piece[i + 1])];
  }
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNoMerge) break;
    symbols[best] = merged_by(ranks[best]);
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i] = ranks[i + 1];
    }
    if (best + 1 < count) ranks[best] = rank_of(symbols[best], symbols[best + 1]);
    if (best > 0) ranks[best - 1] = rank_of(symbols[best - 1], symbols[best]);
  }
  tokens.insert(tokens.end(), symbols.begin(),
                symbols.begin() + static_cast<std::ptrdiff_t>(count));
}

void Bpe::encode_long(std::string_view piece, std::vector<TokenId>& tokens) const {
  struct Symbol {
    TokenId token;
    std::int64_t previous;
    std::int64_t next;  // the list's end: the number of symbols
  };
  struct Candidate {
    Rank rank;
    std::int64_t left;
    TokenId left_token, right_token;  // as they were; other neighbours make it void
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  const std::int64_t count = std::ssize(piece);
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (const char byte : piece) {
    const std::int64_t i = std::ssize(symbols);
    symbols.push_back({byte_tokens_[static_cast<unsigned char>(byte)], i - 1, i + 1});
  }
  const auto at = [&symbols](std::int64_t i) -> Symbol& {
    return symbols[static_cast<std::size_t>(i)];
  };
  std::vector<Candidate> memory;
  memory.reserve(piece.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap(std::greater<>{},
                                                                              std::move(memory));
  const auto consider = [&](std::int64_t left) {
    if (left < 0 || at(left).next >= count) return;
    const TokenId a = at(left).token;
    const TokenId b = at(at(left).next).token;
    const Rank rank = rank_of(a, b);
    if (rank != kNoMerge) heap.push({rank, left, a, b});
  };
  for (std::int64_t i = 0; i + 1 < count; ++i) consider(i);
  constexpr TokenId kGone{-2};
  while (!heap.empty()) {
    const Candidate best = heap.top();
    heap.pop();
    Symbol& left = at(best.left);
    if (left.token != best.left_token || left.next >= count ||
        at(left.next).token != best.right_token) {
      continue;
    }
    Symbol& right = at(left.next);
    left.token = merged_by(best.rank);
    right.token = kGone;
    left.next = right.next;
    if (left.next < count) at(left.next).previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (std::int64_t i = 0; i < count; i = at(i).next) tokens.push_back(at(i).token);
}

}  // namespace fathom::tokenizer
