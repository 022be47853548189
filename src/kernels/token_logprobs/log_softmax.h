// Log-softmax of one row at one column.
#pragma once

#include <cstdint>

namespace fathom::kernels {

// log(e^logits[target] / sum of e^logits[i] over i < count), the sum in double. -infinity for a
// target outside [0, count) or a row without a finite logit; NaNs count as -infinity.
float log_softmax_at(const float* logits, std::int64_t count, std::int64_t target);

}  // namespace fathom::kernels
