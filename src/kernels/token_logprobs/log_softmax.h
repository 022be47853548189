// Log-softmax of one row.
#pragma once

#include <cstdint>

#include "kernels/cpu_kernels.h"

namespace fathom::kernels {

// What the softmax of a row needs: its maximum, and log(sum of e^(logit - maximum)).
struct SoftmaxSum {
  float max_logit;
  double log_sum;
};

// Over logits[0, count), the sum in double. NaNs count as -infinity.
SoftmaxSum softmax_sum(const CpuKernels& kernels, const float* logits, std::int64_t count);

// log(e^logit / sum): -infinity for a NaN, and if the row's maximum is not finite.
float log_softmax(const SoftmaxSum& sum, float logit);

// The same at logits[target] in plain loops, for references and tests: -infinity for a target
// outside [0, count).
float log_softmax_at(const float* logits, std::int64_t count, std::int64_t target);

}  // namespace fathom::kernels
