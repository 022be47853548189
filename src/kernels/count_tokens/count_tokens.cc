// Checks and dispatch; on the CPU a few scattered increments need no variants.
#include "kernels/count_tokens/count_tokens.h"

#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

void count_tokens(const CountTokensArgs& args, device::Stream& stream) {
  check_shape(args.tokens, "count_tokens tokens", args.slots.shape);
  check_shape(args.is_prompt, "count_tokens is_prompt", args.slots.shape);
  if (!on_cuda(stream)) return count_tokens_reference(args);
  cuda_kernels().count_tokens({.slots = args.slots.as<std::int32_t>(),
                               .tokens = args.tokens.as<std::int32_t>(),
                               .is_prompt = args.is_prompt.as<std::int32_t>(),
                               .token_counts = args.token_counts.as<std::int32_t>(),
                               .count = args.slots.shape[0],
                               .num_slots = args.token_counts.shape[0],
                               .vocab_rows = args.token_counts.shape[1]},
                              cuda_queue(stream));
}

void clear_counts(const ClearCountsArgs& args, device::Stream& stream) {
  if (!on_cuda(stream)) return clear_counts_reference(args);
  cuda_kernels().clear_counts({.slots = args.slots.as<std::int32_t>(),
                               .token_counts = args.token_counts.as<std::int32_t>(),
                               .count = args.slots.shape[0],
                               .num_slots = args.token_counts.shape[0],
                               .vocab_rows = args.token_counts.shape[1]},
                              cuda_queue(stream));
}

}  // namespace fathom::kernels
