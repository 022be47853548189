// TokenTree: tokens arranged by their common beginnings, to be walked in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fathom::grammar {

// Immutable once built.
class TokenTree {
 public:
  // Each before its children, siblings by ascending byte.
  struct Node {
    std::uint8_t byte;
    std::uint16_t depth;  // bytes up to and including this one, 1 or more
    std::uint32_t subtree_end;
    std::uint32_t first_token;  // of tokens(); they end where the next node's begin
  };

  TokenTree() = default;
  // `tokens` are indices of bytes_of_token, each of 1 to 65535 bytes.
  TokenTree(std::vector<std::uint32_t> tokens, const std::vector<std::string>& bytes_of_token);

  // The last node is a sentinel without a byte; so is the last token.
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const std::uint32_t> tokens() const { return tokens_; }

 private:
  void add_nodes(const std::vector<std::string>& bytes_of_token);

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> tokens_;
};

}  // namespace fathom::grammar
