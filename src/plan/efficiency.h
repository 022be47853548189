// What share of a device's peak figures a model's steps reach, as ranges.
#pragma once

#include <string>

#include "plan/range.h"

namespace fathom::plan {

struct Efficiency {
  // Of the bandwidth, while weights are read: two-byte weights, and narrower ones.
  Range memory_wide;
  Range memory_narrow;
  // Of the rate of products: in two-byte types, and in 8-bit ones.
  Range compute_wide;
  Range compute_narrow;
  // What an operation costs beside its work, in microseconds.
  Range launch_us;
  std::string source;  // for people: where the shares come from
  bool is_measured = false;
};

// Where nothing was measured. GPU shares of memory rest on published batch-1 speeds of a 4090 and
// an Orin (AWQ paper: 0.81 and 0.77 in FP16, 0.70 and 0.69 in 4 bits); shares of products on what
// published serving benchmarks and planners assume (0.5, at most 0.7).
Efficiency default_efficiency(bool is_cpu);

}  // namespace fathom::plan
