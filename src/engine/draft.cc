// Prompt look-up, https://github.com/apoorvumang/prompt-lookup-decoding.
#include "engine/draft.h"

#include <algorithm>

namespace fathom::engine {

std::vector<base::TokenId> draft_by_lookup(std::span<const base::TokenId> text,
                                           std::int64_t max_tokens) {
  for (const std::size_t size : {std::size_t{3}, std::size_t{2}}) {
    if (max_tokens < 1 || text.size() <= size) continue;
    const auto pattern = text.last(size);
    const auto earlier = text.first(text.size() - 1);
    const auto found =
        std::find_end(earlier.begin(), earlier.end(), pattern.begin(), pattern.end());
    if (found == earlier.end()) continue;
    const auto after = text.subspan(static_cast<std::size_t>(found - earlier.begin()) + size);
    const auto count = std::min(after.size(), static_cast<std::size_t>(max_tokens));
    return {after.begin(), after.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  return {};
}

}  // namespace fathom::engine
