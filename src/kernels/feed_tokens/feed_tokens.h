// A step's input from the last step's output, on the device: the host need not see a token before
// the next step starts.
// store_tokens: last_tokens[slots[i]] = tokens[i], where slots[i] is inside last_tokens (-1 is the
//   way to say none). No two entries name the same slot.
// feed_tokens: ids[i] = last_tokens[sources[i]] where sources[i] is inside last_tokens; the other
//   ids stay as they are.
// Shapes: sources, ids, slots, tokens i32 [n]; last_tokens i32 [num_slots]. Exact.
// Cost: a few bytes for each entry.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct FeedTokensArgs {
  tensor::View sources;
  tensor::View last_tokens;
  tensor::MutableView ids;
};

struct StoreTokensArgs {
  tensor::View slots;
  tensor::View tokens;
  tensor::MutableView last_tokens;
};

void feed_tokens(const FeedTokensArgs& args, device::Stream& stream);
void feed_tokens_reference(const FeedTokensArgs& args);
void store_tokens(const StoreTokensArgs& args, device::Stream& stream);
void store_tokens_reference(const StoreTokensArgs& args);

}  // namespace fathom::kernels
