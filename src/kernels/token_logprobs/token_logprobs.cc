// Checks and dispatch; on the CPU, rows in parallel.
#include "kernels/token_logprobs/token_logprobs.h"

#include <limits>

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"
#include "kernels/token_logprobs/log_softmax.h"

namespace fathom::kernels {

void token_logprobs(const TokenLogprobsArgs& args, device::Stream& stream) {
  const std::int64_t num_rows = args.logits.shape[0];
  check_shape(args.targets, "token_logprobs targets", {num_rows});
  check_shape(args.y, "token_logprobs y", {num_rows});
  if (on_cuda(stream)) {
    return cuda_kernels().token_logprobs({.logits = args.logits.as<float>(),
                                          .targets = args.targets.as<std::int32_t>(),
                                          .y = args.y.as<float>(),
                                          .num_rows = num_rows,
                                          .vocab_rows = args.logits.shape[1],
                                          .num_valid_tokens = args.num_valid_tokens},
                                         cuda_queue(stream));
  }
  struct Context {
    const TokenLogprobsArgs& args;
    const CpuKernels& kernels;
  };
  Context context{args, cpu_kernels(stream)};
  const auto body = [](void* shared, std::int64_t row) {
    const auto& [each, kernels] = *static_cast<const Context*>(shared);
    const float* logits = each.logits.as<float>() + row * each.logits.shape[1];
    const std::int32_t target = each.targets.as<std::int32_t>()[row];
    each.y.as<float>()[row] =
        target >= 0 && target < each.num_valid_tokens
            ? log_softmax(softmax_sum(kernels, logits, each.num_valid_tokens), logits[target])
            : -std::numeric_limits<float>::infinity();
  };
  const ParallelFor threads = parallel_for(stream);
  threads.run(threads.pool, num_rows, body, &context);
}

}  // namespace fathom::kernels
