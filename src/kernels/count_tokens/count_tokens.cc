// A few scattered increments; plain loops need no variants.
#include "kernels/count_tokens/count_tokens.h"

#include "base/check.h"

namespace fathom::kernels {

void count_tokens(const CountTokensArgs& args, device::Stream& stream) {
  CHECK(stream.device().kind() == device::DeviceKind::kCpu, "count_tokens on {}",
        stream.device().name());
  count_tokens_reference(args);
}

void clear_counts(const ClearCountsArgs& args, device::Stream& stream) {
  CHECK(stream.device().kind() == device::DeviceKind::kCpu, "clear_counts on {}",
        stream.device().name());
  clear_counts_reference(args);
}

}  // namespace fathom::kernels
