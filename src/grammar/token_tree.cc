// Sorted tokens, and a node for each distinct beginning.
#include "grammar/token_tree.h"

#include <algorithm>
#include <utility>

namespace fathom::grammar {

TokenTree::TokenTree(std::vector<std::uint32_t> tokens,
                     const std::vector<std::string>& bytes_of_token)
    : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order = bytes_of_token[a].compare(bytes_of_token[b]);
    return order != 0 ? order < 0 : a < b;
  });
  add_nodes(bytes_of_token);
  nodes_.push_back({.byte = 0,
                    .depth = 0,
                    .subtree_end = static_cast<std::uint32_t>(nodes_.size() + 1),
                    .first_token = static_cast<std::uint32_t>(tokens_.size())});
  tokens_.push_back(0);
}

void TokenTree::add_nodes(const std::vector<std::string>& bytes_of_token) {
  std::string path;
  std::vector<std::size_t> open;  // the node of each byte of the path
  const auto close_to = [&](std::size_t depth) {
    for (; open.size() > depth; open.pop_back())
      nodes_[open.back()].subtree_end = static_cast<std::uint32_t>(nodes_.size());
  };
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string& bytes = bytes_of_token[tokens_[i]];
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
}

}  // namespace fathom::grammar
