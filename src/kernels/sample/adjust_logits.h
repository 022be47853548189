// One row of logits after its adjustments, for the CPU's sampler.
#pragma once

#include <cstdint>

#include "kernels/sample/logit_adjustments.h"

namespace fathom::kernels {

// Stops unless the arrays fit logits of [num_rows, vocab_rows].
void check_adjustments(const LogitAdjustments& adjustments, std::int64_t num_rows,
                       std::int64_t vocab_rows);

// Whether anything applies to the row.
bool has_adjustments(const LogitAdjustments& adjustments, std::int64_t row);

// adjusted[i] = logits[i] after the row's adjustments, for i < count.
void adjust_logits(const LogitAdjustments& adjustments, std::int64_t row, const float* logits,
                   std::int64_t count, float* adjusted);

}  // namespace fathom::kernels
