// Sorts the tokens by their bytes and lays out the tree that they form.
#include "grammar/vocabulary.h"

#include <algorithm>
#include <bitset>
#include <limits>
#include <numeric>
#include <utility>

namespace fathom::grammar {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::string_view kWhere = "vocabulary";

// C0, C1 and F5 to FF occur in no UTF-8 text.
bool occurs_in_utf8(unsigned byte) { return byte != 0xC0 && byte != 0xC1 && byte < 0xF5; }

Result<void> check_single_bytes(const std::vector<std::string>& bytes_of_token) {
  std::bitset<256> known;
  for (const auto& bytes : bytes_of_token) {
    if (bytes.size() == 1) known.set(static_cast<std::uint8_t>(bytes.front()));
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (known[byte] || !occurs_in_utf8(byte)) continue;
    return fail(ErrorCode::kInvalidArgument, kWhere,
                "no token is the single byte {:02X}; structured output needs a vocabulary with a "
                "token for each byte",
                byte);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Vocabulary>> Vocabulary::create(
    std::vector<std::string> bytes_of_token, std::vector<TokenId> end_tokens) {
  constexpr std::size_t kMaxTokens = std::numeric_limits<std::int32_t>::max();
  if (bytes_of_token.size() > kMaxTokens)
    return fail(ErrorCode::kInvalidArgument, kWhere, "more than {} tokens", kMaxTokens);
  if (end_tokens.empty())
    return fail(ErrorCode::kInvalidArgument, kWhere, "no end token; name at least one");
  for (const auto token : end_tokens) {
    const auto id = base::index(token);
    if (id < 0 || static_cast<std::size_t>(id) >= bytes_of_token.size()) {
      return fail(ErrorCode::kInvalidArgument, kWhere, "end token {} is not one of {} tokens", id,
                  bytes_of_token.size());
    }
    bytes_of_token[static_cast<std::size_t>(id)].clear();
  }
  TRY(check_single_bytes(bytes_of_token));
  std::sort(end_tokens.begin(), end_tokens.end());
  end_tokens.erase(std::unique(end_tokens.begin(), end_tokens.end()), end_tokens.end());
  auto vocabulary = std::shared_ptr<Vocabulary>(new Vocabulary());
  for (const auto& bytes : bytes_of_token)
    vocabulary->max_token_bytes_ = std::max(vocabulary->max_token_bytes_, bytes.size());
  if (vocabulary->max_token_bytes_ > std::numeric_limits<std::uint16_t>::max()) {
    return fail(ErrorCode::kInvalidArgument, kWhere, "a token has {} bytes; at most 65535 can be",
                vocabulary->max_token_bytes_);
  }
  vocabulary->bytes_of_token_ = std::move(bytes_of_token);
  vocabulary->end_tokens_ = std::move(end_tokens);
  vocabulary->build_tree();
  return std::shared_ptr<const Vocabulary>(std::move(vocabulary));
}

bool Vocabulary::is_end(TokenId token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

void Vocabulary::build_tree() {
  tokens_.resize(bytes_of_token_.size());
  std::iota(tokens_.begin(), tokens_.end(), 0U);
  std::erase_if(tokens_, [&](std::uint32_t token) { return bytes_of_token_[token].empty(); });
  std::sort(tokens_.begin(), tokens_.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order = bytes_of_token_[a].compare(bytes_of_token_[b]);
    return order != 0 ? order < 0 : a < b;
  });
  std::string path;
  std::vector<std::size_t> open;  // the node of each byte of the path
  const auto close_to = [&](std::size_t depth) {
    for (; open.size() > depth; open.pop_back())
      nodes_[open.back()].subtree_end = static_cast<std::uint32_t>(nodes_.size());
  };
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string& bytes = bytes_of_token_[tokens_[i]];
    const auto shared = static_cast<std::size_t>(
        std::mismatch(path.begin(), path.end(), bytes.begin(), bytes.end()).first - path.begin());
    close_to(shared);
    for (std::size_t depth = shared; depth < bytes.size(); ++depth) {
      open.push_back(nodes_.size());
      // A node on the way to a longer token has no tokens of its own: the next node's begin there.
      nodes_.push_back({.byte = static_cast<std::uint8_t>(bytes[depth]),
                        .depth = static_cast<std::uint16_t>(depth + 1),
                        .subtree_end = 0,
                        .first_token = i});
    }
    path = bytes;
  }
  close_to(0);
  nodes_.push_back({.byte = 0,
                    .depth = 0,
                    .subtree_end = static_cast<std::uint32_t>(nodes_.size() + 1),
                    .first_token = static_cast<std::uint32_t>(tokens_.size())});
}

}  // namespace fathom::grammar
