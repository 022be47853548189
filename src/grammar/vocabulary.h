// Vocabulary: the bytes of every token, arranged so that a mask over all of them is found quickly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "grammar/token_tree.h"

namespace fathom::grammar {

using base::TokenId;

// Immutable and thread-safe; one for each model. About 3 MiB for 100,000 tokens.
class Vocabulary {
 public:
  // bytes_of_token[t] is what token t decodes to; empty for tokens that no grammar may produce
  // (special tokens, padding rows). An end token ends the text; its bytes do not matter.
  // kInvalidArgument when an end token is not in the vocabulary or there is none, when a token is
  // longer than 65535 bytes, and when a byte that occurs in UTF-8 has no token of its own: with
  // these any text can be written, so that no text ever gets stuck.
  static base::Result<std::shared_ptr<const Vocabulary>> create(
      std::vector<std::string> bytes_of_token, std::vector<TokenId> end_tokens);

  std::size_t num_tokens() const { return bytes_of_token_.size(); }
  // Words of a mask over all tokens.
  std::size_t num_mask_words() const { return (num_tokens() + 31) / 32; }
  // Empty for tokens that are never allowed as text, end tokens included; `token` must be in range.
  const std::string& bytes_of(TokenId token) const {
    return bytes_of_token_[static_cast<std::size_t>(base::index(token))];
  }
  bool is_end(TokenId token) const;
  std::span<const TokenId> end_tokens() const { return end_tokens_; }

  // All tokens that have bytes, and those of them that are not plain text (plain_text.h).
  const TokenTree& tree() const { return tree_; }
  const TokenTree& tree_without_plain_text() const { return tree_without_plain_text_; }
  // A mask of the tokens that are plain text.
  std::span<const std::uint32_t> plain_text_mask() const { return plain_text_mask_; }
  std::size_t max_token_bytes() const { return max_token_bytes_; }

 private:
  Vocabulary() = default;
  void build_trees();

  std::vector<std::string> bytes_of_token_;
  std::vector<TokenId> end_tokens_;  // ascending, without repeats
  TokenTree tree_;
  TokenTree tree_without_plain_text_;
  std::vector<std::uint32_t> plain_text_mask_;
  std::size_t max_token_bytes_ = 0;
};

}  // namespace fathom::grammar
