// Checks and dispatch; on the CPU plain loops need no variants.
#include "kernels/feed_tokens/feed_tokens.h"

#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

void feed_tokens(const FeedTokensArgs& args, device::Stream& stream) {
  check_shape(args.ids, "feed_tokens ids", args.sources.shape);
  if (!on_cuda(stream)) return feed_tokens_reference(args);
  cuda_kernels().feed_tokens({.sources = args.sources.as<std::int32_t>(),
                              .last_tokens = args.last_tokens.as<std::int32_t>(),
                              .ids = args.ids.as<std::int32_t>(),
                              .count = args.sources.shape[0],
                              .num_slots = args.last_tokens.shape[0]},
                             cuda_queue(stream));
}

void store_tokens(const StoreTokensArgs& args, device::Stream& stream) {
  check_shape(args.tokens, "store_tokens tokens", args.slots.shape);
  if (!on_cuda(stream)) return store_tokens_reference(args);
  cuda_kernels().store_tokens({.slots = args.slots.as<std::int32_t>(),
                               .tokens = args.tokens.as<std::int32_t>(),
                               .last_tokens = args.last_tokens.as<std::int32_t>(),
                               .count = args.slots.shape[0],
                               .num_slots = args.last_tokens.shape[0]},
                              cuda_queue(stream));
}

}  // namespace fathom::kernels
