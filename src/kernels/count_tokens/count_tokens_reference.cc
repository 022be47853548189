// Plain loops.
#include <algorithm>

#include "kernels/count_tokens/count_tokens.h"

namespace fathom::kernels {

void count_tokens_reference(const CountTokensArgs& args) {
  const std::int64_t num_slots = args.token_counts.shape[0];
  const std::int64_t vocab_rows = args.token_counts.shape[1];
  const auto* is_prompt = args.is_prompt.as<std::int32_t>();
  for (std::int64_t i = 0; i < args.slots.shape[0]; ++i) {
    const std::int64_t slot = args.slots.as<std::int32_t>()[i];
    const std::int64_t token = args.tokens.as<std::int32_t>()[i];
    if (slot < 0 || slot >= num_slots || token < 0 || token >= vocab_rows) continue;
    std::int32_t& count = args.token_counts.as<std::int32_t>()[slot * vocab_rows + token];
    count = is_prompt[i] != 0 ? count | kInPrompt : count + 1;
  }
}

void clear_counts_reference(const ClearCountsArgs& args) {
  const std::int64_t vocab_rows = args.token_counts.shape[1];
  for (std::int64_t i = 0; i < args.slots.shape[0]; ++i) {
    const std::int64_t slot = args.slots.as<std::int32_t>()[i];
    if (slot < 0 || slot >= args.token_counts.shape[0]) continue;
    std::fill_n(args.token_counts.as<std::int32_t>() + slot * vocab_rows, vocab_rows, 0);
  }
}

}  // namespace fathom::kernels
