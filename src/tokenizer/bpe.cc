// A scan for short pieces, a heap over a linked list for long ones.
#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>

#include "base/check.h"

namespace fathom::tokenizer {
namespace {

// Up to here a scan over all neighbours beats the heap.
constexpr std::size_t kShortBytes = 48;

}  // namespace

void Bpe::reserve(std::size_t num_merges) {
  merges_.assign(std::bit_ceil(num_merges * 2 + 2), Merge{kEmpty, 0, TokenId{}});
}

std::size_t Bpe::slot_of(std::uint64_t pair) const {
  const std::size_t mask = merges_.size() - 1;
  std::size_t slot = static_cast<std::size_t>((pair * 0x9E3779B97F4A7C15U) >> 20) & mask;
  while (merges_[slot].pair != kEmpty && merges_[slot].pair != pair) slot = (slot + 1) & mask;
  return slot;
}

void Bpe::add_merge(TokenId left, TokenId right, TokenId merged) {
  CHECK(static_cast<std::size_t>(num_merges_) * 2 < merges_.size(), "more merges than reserved");
  Merge& slot = merges_[slot_of(key(left, right))];
  if (slot.pair == kEmpty) slot = {key(left, right), num_merges_, merged};
  ++num_merges_;
}

const Bpe::Merge* Bpe::find(TokenId left, TokenId right) const {
  const Merge& slot = merges_[slot_of(key(left, right))];
  return slot.pair == kEmpty ? nullptr : &slot;
}

void Bpe::encode(std::string_view piece, std::vector<TokenId>& tokens) const {
  if (!whole_pieces_.empty()) {
    const auto whole = whole_pieces_.find(std::string(piece));
    if (whole != whole_pieces_.end()) {
      tokens.push_back(whole->second);
      return;
    }
  }
  if (piece.size() <= kShortBytes) {
    encode_short(piece, tokens);
  } else {
    encode_long(piece, tokens);
  }
}

void Bpe::encode_short(std::string_view piece, std::vector<TokenId>& tokens) const {
  std::array<TokenId, kShortBytes> symbols{};
  std::array<const Merge*, kShortBytes> merges{};  // of symbol i with the next
  std::size_t count = piece.size();
  for (std::size_t i = 0; i < count; ++i) {
    symbols[i] = byte_tokens_[static_cast<unsigned char>(piece[i])];
  }
  for (std::size_t i = 0; i + 1 < count; ++i) merges[i] = find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = count;
    std::int32_t best_rank = std::numeric_limits<std::int32_t>::max();
    for (std::size_t i = 0; i + 1 < count; ++i) {
      if (merges[i] != nullptr && merges[i]->rank < best_rank) {
        best = i;
        best_rank = merges[i]->rank;
      }
    }
    if (best == count) break;
    symbols[best] = merges[best]->merged;
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      merges[i] = merges[i + 1];
    }
    if (best + 1 < count) merges[best] = find(symbols[best], symbols[best + 1]);
    if (best > 0) merges[best - 1] = find(symbols[best - 1], symbols[best]);
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
    std::int32_t rank;
    std::int64_t left;
    TokenId left_token, right_token;  // as they were; other neighbours make it void
    TokenId merged;
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
    if (const Merge* merge = find(a, b)) heap.push({merge->rank, left, a, b, merge->merged});
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
    left.token = best.merged;
    right.token = kGone;
    left.next = right.next;
    if (left.next < count) at(left.next).previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (std::int64_t i = 0; i < count; i = at(i).next) tokens.push_back(at(i).token);
}

}  // namespace fathom::tokenizer
