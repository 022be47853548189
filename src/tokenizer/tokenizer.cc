// Encoding: added tokens, normalization, pre-tokens, BPE with a memory of pieces seen; decoding.
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <functional>

#include "tokenizer/normalizer.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

// Pieces of one kind seen in this text and their tokens, so that a word is merged once. Fixed size:
// a piece takes the place of another of the same slot.
class PieceMemory {
 public:
  // Its memory is cleared for each text, so a short text gets little, and one without such pieces
  // none.
  explicit PieceMemory(std::size_t text_bytes)
      : num_entries_(std::bit_ceil(std::clamp<std::size_t>(text_bytes / 8, 64, 32768))) {}

  // Appends the piece's tokens: copied from where they stand in `tokens`, or by encode(), which
  // gives Result<void>.
  template <typename F>
  Result<void> append(std::string_view piece, std::vector<TokenId>& tokens, F&& encode) {
    if (piece.size() > kMaxPieceBytes) return encode();
    if (entries_.empty()) entries_.resize(num_entries_);
    const std::size_t hash = std::hash<std::string_view>{}(piece);
    Entry& entry = entries_[hash & (num_entries_ - 1)];
    const std::size_t first = tokens.size();
    if (entry.hash == hash && entry.piece == piece) {
      tokens.resize(first + entry.count);
      std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(entry.first), entry.count,
                  tokens.begin() + static_cast<std::ptrdiff_t>(first));
      return {};
    }
    TRY(encode());
    entry = {piece, hash, first, tokens.size() - first};
    return {};
  }

 private:
  static constexpr std::size_t kMaxPieceBytes = 32;

  struct Entry {
    std::string_view piece;
    std::size_t hash = 0;
    std::size_t first = 0;  // of its tokens in the text's tokens
    std::size_t count = 0;
  };
  std::size_t num_entries_;  // a power of two
  std::vector<Entry> entries_;
};

}  // namespace

class Tokenizer::Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, const EncodeOptions& options, std::size_t text_bytes)
      : tokenizer_(tokenizer),
        plain_(options.plain_ranges),
        scratch_(tokenizer.pre_tokenizer_),
        pieces_(text_bytes),
        runs_(text_bytes),
        // After two splits pieces are words: short enough to remember, long enough to be worth it.
        remembered_after_(std::min<std::size_t>(2, tokenizer.pre_tokenizer_.num_splits())) {}

  Result<std::vector<TokenId>> encode(std::string_view text) {
    std::size_t done = 0;
    while (true) {
      const auto match = find_allowed(tokenizer_.raw_tokens_, text, done, plain_);
      TRY(encode_normalized(text.substr(done, (match ? match->begin : text.size()) - done), done));
      if (!match) return std::move(tokens_);
      tokens_.push_back(match->token->id);
      done = match->end;
    }
  }

 private:
  // The next match that is not a control token inside a plain range.
  static std::optional<AddedTokens::Match> find_allowed(const AddedTokens& added,
                                                        std::string_view text, std::size_t from,
                                                        std::span<const base::ByteRange> plain) {
    while (auto match = added.find(text, from)) {
      const auto range = std::ranges::upper_bound(plain, match->begin, {}, &base::ByteRange::end);
      const bool is_plain = range != plain.end() && range->begin < match->end;
      if (!is_plain || !is_control(*match->token)) return match;
      from = match->begin + 1;
    }
    return std::nullopt;
  }

  // Text between added tokens that begins at `offset` of the whole.
  Result<void> encode_normalized(std::string_view text, std::size_t offset) {
    if (text.empty()) return {};
    std::vector<base::ByteRange> plain;
    auto range = std::ranges::upper_bound(plain_, offset, {}, &base::ByteRange::end);
    for (; range != plain_.end() && range->begin < offset + text.size(); ++range) {
      plain.push_back({std::max(range->begin, offset) - offset,
                       std::min(range->end, offset + text.size()) - offset});
    }
    if (!tokenizer_.normalizes_to_nfc_ || is_surely_nfc(text)) return encode_pieces(text, plain);
    // Each part for itself, so that what is plain stays known.
    normalized_.emplace_back();
    std::string& normalized = normalized_.back();
    std::size_t done = 0;
    for (base::ByteRange& range : plain) {
      normalized += TRY(to_nfc(text.substr(done, range.begin - done)));
      const std::size_t begin = normalized.size();
      normalized += TRY(to_nfc(text.substr(range.begin, range.end - range.begin)));
      done = range.end;
      range = {begin, normalized.size()};
    }
    normalized += TRY(to_nfc(text.substr(done)));
    return encode_pieces(normalized, plain);
  }

  Result<void> encode_pieces(std::string_view text, std::span<const base::ByteRange> plain) {
    std::size_t done = 0;
    while (true) {
      const auto match = find_allowed(tokenizer_.normalized_tokens_, text, done, plain);
      const std::size_t end = match ? match->begin : text.size();
      TRY(tokenizer_.pre_tokenizer_.cut(
          text.substr(done, end - done), 0, remembered_after_, scratch_,
          [this](std::string_view piece) { return encode_piece(piece); }));
      if (!match) return {};
      tokens_.push_back(match->token->id);
      done = match->end;
    }
  }

  Result<void> encode_piece(std::string_view piece) {
    const auto encode = [this, piece] {
      return tokenizer_.pre_tokenizer_.cut(
          piece, remembered_after_, tokenizer_.pre_tokenizer_.num_splits(), scratch_,
          [this, piece](std::string_view part) { return encode_part(part, piece); });
    };
    return pieces_.append(piece, tokens_, encode);
  }

  // A part of the piece that no split cuts further.
  Result<void> encode_part(std::string_view part, std::string_view piece) {
    return tokenizer_.bpe_.encode(part, tokens_, [this, piece](std::string_view run) {
      const auto encode = [this, run]() -> Result<void> {
        tokenizer_.bpe_.encode_run(run, tokens_);
        return {};
      };
      // A piece that is one run is remembered as a piece.
      return run.size() == piece.size() ? encode() : runs_.append(run, tokens_, encode);
    });
  }

  const Tokenizer& tokenizer_;
  std::span<const base::ByteRange> plain_;
  PreTokenizer::Scratch scratch_;
  PieceMemory pieces_;
  PieceMemory runs_;
  std::size_t remembered_after_;
  std::vector<TokenId> tokens_;
  std::deque<std::string> normalized_;  // kept: pieces_ and runs_ point into them
};

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text,
                                               const EncodeOptions& options) const {
  const std::size_t valid = valid_utf8_prefix(text);
  if (valid < text.size()) {
    return fail(ErrorCode::kInvalidArgument, "text", "not UTF-8 at byte {}", valid);
  }
  std::vector<TokenId> tokens = TRY(Encoder(*this, options, text.size()).encode(text));
  if (options.add_special) {
    tokens.insert(tokens.begin(), prefix_.begin(), prefix_.end());
    tokens.insert(tokens.end(), suffix_.begin(), suffix_.end());
  }
  return tokens;
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> tokens,
                                      const DecodeOptions& options) const {
  std::string bytes;
  for (const TokenId token : tokens) {
    const auto id = static_cast<std::size_t>(base::index(token));
    if (base::index(token) < 0 || id >= bytes_.size() || !is_known_[id]) {
      return fail(ErrorCode::kInvalidArgument, "ids", "token {} is not in the vocabulary",
                  base::index(token));
    }
    if (!options.skip_special || !is_special_[id]) bytes += bytes_[id];
  }
  return to_valid_utf8(bytes);
}

std::string_view Tokenizer::bytes_of(TokenId token) const {
  const auto id = static_cast<std::size_t>(base::index(token));
  return base::index(token) >= 0 && id < bytes_.size() ? std::string_view(bytes_[id])
                                                       : std::string_view();
}

bool Tokenizer::is_special(TokenId token) const {
  const auto id = static_cast<std::size_t>(base::index(token));
  return base::index(token) >= 0 && id < is_special_.size() && is_special_[id];
}

std::optional<TokenId> Tokenizer::token_of(std::string_view content) const {
  for (const AddedTokens* added : {&raw_tokens_, &normalized_tokens_}) {
    const auto match = content.empty() ? std::nullopt : added->match_at(content, 0);
    if (match && match->end == content.size()) return match->token->id;
  }
  for (std::size_t id = 0; id < bytes_.size(); ++id) {
    if (is_known_[id] && bytes_[id] == content) return TokenId{static_cast<std::int32_t>(id)};
  }
  return std::nullopt;
}

}  // namespace fathom::tokenizer
