// Two passes: maximum, then sum.
#include "kernels/token_logprobs/log_softmax.h"

#include <cmath>
#include <limits>

namespace fathom::kernels {

float log_softmax_at(const float* logits, std::int64_t count, std::int64_t target) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  if (target < 0 || target >= count) return kNone;
  float max_logit = kNone;
  for (std::int64_t i = 0; i < count; ++i)
    max_logit = logits[i] > max_logit ? logits[i] : max_logit;
  if (!std::isfinite(max_logit) || std::isnan(logits[target])) return kNone;
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const float shifted = logits[i] - max_logit;
    if (shifted <= 0.0F) sum += std::exp(shifted);  // false for a NaN
  }
  return static_cast<float>(static_cast<double>(logits[target]) - max_logit - std::log(sum));
}

}  // namespace fathom::kernels
