// Plain loops.
#include "kernels/feed_tokens/feed_tokens.h"

namespace fathom::kernels {

void feed_tokens_reference(const FeedTokensArgs& args) {
  for (std::int64_t i = 0; i < args.sources.shape[0]; ++i) {
    const std::int32_t source = args.sources.as<std::int32_t>()[i];
    if (source < 0 || source >= args.last_tokens.shape[0]) continue;
    args.ids.as<std::int32_t>()[i] = args.last_tokens.as<std::int32_t>()[source];
  }
}

void store_tokens_reference(const StoreTokensArgs& args) {
  for (std::int64_t i = 0; i < args.slots.shape[0]; ++i) {
    const std::int32_t slot = args.slots.as<std::int32_t>()[i];
    if (slot < 0 || slot >= args.last_tokens.shape[0]) continue;
    args.last_tokens.as<std::int32_t>()[slot] = args.tokens.as<std::int32_t>()[i];
  }
}

}  // namespace fathom::kernels
