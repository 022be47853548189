// Checks the tokens and sorts plain text from the others.
#include "grammar/vocabulary.h"

#include <algorithm>
#include <bitset>
#include <limits>
#include <utility>

#include "grammar/plain_text.h"

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
  vocabulary->build_trees();
  return std::shared_ptr<const Vocabulary>(std::move(vocabulary));
}

bool Vocabulary::is_end(TokenId token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

void Vocabulary::build_trees() {
  std::vector<std::uint32_t> all;
  std::vector<std::uint32_t> not_plain;
  plain_text_mask_.resize(num_mask_words());
  for (std::uint32_t token = 0; token < bytes_of_token_.size(); ++token) {
    if (bytes_of_token_[token].empty()) continue;
    all.push_back(token);
    if (is_plain_text(bytes_of_token_[token])) {
      plain_text_mask_[token / 32] |= std::uint32_t{1} << (token % 32);
    } else {
      not_plain.push_back(token);
    }
  }
  tree_ = TokenTree(std::move(all), bytes_of_token_);
  tree_without_plain_text_ = TokenTree(std::move(not_plain), bytes_of_token_);
}

}  // namespace fathom::grammar
