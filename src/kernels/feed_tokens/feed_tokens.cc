// Copies of single numbers; plain loops need no variants.
#include "kernels/feed_tokens/feed_tokens.h"

#include "base/check.h"

namespace fathom::kernels {

void feed_tokens(const FeedTokensArgs& args, device::Stream& stream) {
  CHECK(stream.device().kind() == device::DeviceKind::kCpu, "feed_tokens on {}",
        stream.device().name());
  feed_tokens_reference(args);
}

void store_tokens(const StoreTokensArgs& args, device::Stream& stream) {
  CHECK(stream.device().kind() == device::DeviceKind::kCpu, "store_tokens on {}",
        stream.device().name());
  store_tokens_reference(args);
}

}  // namespace fathom::kernels
