// Look-up by first byte, then by length: the sets are small.
#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

void AddedTokens::add(const AddedToken& token) {
  tokens_.insert_or_assign(token.content, token);
  is_first_byte_[static_cast<unsigned char>(token.content[0])] = true;
  if (std::ranges::find(lengths_, token.content.size()) == lengths_.end()) {
    lengths_.push_back(token.content.size());
    std::ranges::sort(lengths_, std::greater<>{});
  }
}

std::optional<AddedTokens::Match> AddedTokens::match_at(std::string_view text,
                                                        std::size_t at) const {
  for (const std::size_t length : lengths_) {
    if (length > text.size() - at) continue;
    const auto found = tokens_.find(text.substr(at, length));
    if (found != tokens_.end()) return Match{at, at + length, &found->second};
  }
  return std::nullopt;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, std::size_t from) const {
  if (tokens_.empty()) return std::nullopt;
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!is_first_byte_[static_cast<unsigned char>(text[at])]) continue;
    if (auto match = match_at(text, at)) return match;
  }
  return std::nullopt;
}

bool is_control(const AddedToken& token) {
  return first_code_point(token.content).num_bytes < token.content.size();
}

}  // namespace fathom::tokenizer
