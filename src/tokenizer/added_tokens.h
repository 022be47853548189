// AddedTokens: tokens that are found in the text as they are spelled, before any other step.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"

namespace fathom::tokenizer {

using base::TokenId;

struct AddedToken {
  TokenId id{};
  std::string content;
  bool is_special = false;     // left out of decoded text unless asked for
  bool is_normalized = false;  // sought in the normalized text, not in the raw
};

// A set of spellings; finds the leftmost, and of those the longest. Immutable after building.
class AddedTokens {
 public:
  void add(const AddedToken& token);

  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
    const AddedToken* token = nullptr;
  };
  // The first match at or after `from`.
  std::optional<Match> find(std::string_view text, std::size_t from) const;
  // The longest match that starts at `at`.
  std::optional<Match> match_at(std::string_view text, std::size_t at) const;
  bool empty() const { return tokens_.empty(); }

 private:
  // Looked up by string_view, so that a search allocates nothing.
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, AddedToken, Hash, std::equal_to<>> tokens_;
  std::array<bool, 256> is_first_byte_{};
  std::vector<std::size_t> lengths_;  // of the spellings, longest first, each once
};

// Whether recognising the token in untrusted text would let its author steer the model: all but
// the single characters that stand for bytes.
bool is_control(const AddedToken& token);

}  // namespace fathom::tokenizer
