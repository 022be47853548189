// What the reference of sample draws from, for tests that judge other draws by it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/sample/sample.h"

namespace fathom::kernels {

struct SampleEntry {
  double mass;
  std::int32_t token;
};

// Factors of the row's filters: how far rounding may move a cut.
struct FilterFactors {
  double top_p = 1.0;
  double min_p = 1.0;
};

// The tokens that the row's adjustments and filters leave, in order of id, with unnormalised
// probabilities.
std::vector<SampleEntry> sample_survivors(const SampleArgs& args, std::int64_t row,
                                          const FilterFactors& factors = {});

}  // namespace fathom::kernels
