// Rows in parallel; one portable variant, because the head's product before it costs far more.
#include "kernels/token_logprobs/token_logprobs.h"

#include "kernels/cpu_kernels.h"
#include "kernels/element.h"
#include "kernels/token_logprobs/log_softmax.h"

namespace fathom::kernels {

void token_logprobs(const TokenLogprobsArgs& args, device::Stream& stream) {
  const std::int64_t num_rows = args.logits.shape[0];
  check_shape(args.targets, "token_logprobs targets", {num_rows});
  check_shape(args.y, "token_logprobs y", {num_rows});
  const ParallelFor threads = parallel_for(stream);
  const auto body = [](void* context, std::int64_t row) {
    const auto& each = *static_cast<const TokenLogprobsArgs*>(context);
    const float* logits = each.logits.as<float>() + row * each.logits.shape[1];
    each.y.as<float>()[row] =
        log_softmax_at(logits, each.num_valid_tokens, each.targets.as<std::int32_t>()[row]);
  };
  threads.run(threads.pool, num_rows, body, const_cast<TokenLogprobsArgs*>(&args));
}

}  // namespace fathom::kernels
