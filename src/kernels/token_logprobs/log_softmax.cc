// Two passes: maximum, then sum.
#include "kernels/token_logprobs/log_softmax.h"

#include <cmath>
#include <limits>

namespace fathom::kernels {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

}  // namespace

SoftmaxSum softmax_sum(const float* logits, std::int64_t count) {
  SoftmaxSum row{.max_logit = kNone, .log_sum = 0};
  for (std::int64_t i = 0; i < count; ++i) {
    row.max_logit = logits[i] > row.max_logit ? logits[i] : row.max_logit;
  }
  if (!std::isfinite(row.max_logit)) return row;
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const float shifted = logits[i] - row.max_logit;
    if (shifted <= 0.0F) sum += std::exp(shifted);  // false for a NaN
  }
  row.log_sum = std::log(sum);
  return row;
}

float log_softmax(const SoftmaxSum& sum, float logit) {
  if (!std::isfinite(sum.max_logit) || std::isnan(logit)) return kNone;
  return static_cast<float>(static_cast<double>(logit) - sum.max_logit - sum.log_sum);
}

float log_softmax_at(const float* logits, std::int64_t count, std::int64_t target) {
  if (target < 0 || target >= count) return kNone;
  return log_softmax(softmax_sum(logits, count), logits[target]);
}

}  // namespace fathom::kernels
