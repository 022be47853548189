// Plain loops in double.
#include <cmath>
#include <limits>

#include "kernels/token_logprobs/token_logprobs.h"

namespace fathom::kernels {

void token_logprobs_reference(const TokenLogprobsArgs& args) {
  for (std::int64_t row = 0; row < args.logits.shape[0]; ++row) {
    const float* logits = args.logits.as<float>() + row * args.logits.shape[1];
    const std::int64_t target = args.targets.as<std::int32_t>()[row];
    double sum = 0;
    for (std::int64_t i = 0; i < args.num_valid_tokens; ++i) {
      sum += std::exp(static_cast<double>(logits[i]));
    }
    args.y.as<float>()[row] = target >= 0 && target < args.num_valid_tokens
                                  ? static_cast<float>(logits[target] - std::log(sum))
                                  : -std::numeric_limits<float>::infinity();
  }
}

}  // namespace fathom::kernels
