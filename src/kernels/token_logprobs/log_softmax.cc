// Two passes: maximum, then sum.
#include "kernels/token_logprobs/log_softmax.h"

#include <cmath>
#include <limits>

namespace fathom::kernels {

SoftmaxSum softmax_sum(const CpuKernels& kernels, const float* logits, std::int64_t count) {
  SoftmaxSum row{.max_logit = kernels.max_logit(logits, count), .log_sum = 0};
  if (!std::isfinite(row.max_logit)) return row;
  row.log_sum = std::log(
      kernels.softmax_weights({.logits = logits, .count = count, .max_logit = row.max_logit}));
  return row;
}

float log_softmax(const SoftmaxSum& sum, float logit) {
  if (!std::isfinite(sum.max_logit) || std::isnan(logit)) {
    return -std::numeric_limits<float>::infinity();
  }
  return static_cast<float>(static_cast<double>(logit) - sum.max_logit - sum.log_sum);
}

float log_softmax_at(const float* logits, std::int64_t count, std::int64_t target) {
  float max_logit = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < count; ++i) max_logit = std::fmax(max_logit, logits[i]);
  if (target < 0 || target >= count || !std::isfinite(max_logit)) {
    return -std::numeric_limits<float>::infinity();
  }
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isnan(logits[i])) sum += std::exp(static_cast<double>(logits[i]) - max_logit);
  }
  return log_softmax({.max_logit = max_logit, .log_sum = std::log(sum)}, logits[target]);
}

}  // namespace fathom::kernels
