// The shares that are assumed before anything is measured.
#include "plan/efficiency.h"

namespace fathom::plan {

Efficiency default_efficiency(bool is_cpu) {
  // A CPU's peak figures are estimates themselves (cpu_row), hence the width.
  if (is_cpu) {
    return {.memory_wide = {.low = 0.40, .likely = 0.85, .high = 2.20},
            .memory_narrow = {.low = 0.35, .likely = 0.75, .high = 2.00},
            .compute_wide = {.low = 0.20, .likely = 0.60, .high = 1.60},
            .compute_narrow = {.low = 0.15, .likely = 0.50, .high = 1.60},
            .launch_us = {.low = 1, .likely = 5, .high = 40},
            .source = "assumed: nothing was measured on this machine"};
  }
  return {.memory_wide = {.low = 0.62, .likely = 0.78, .high = 0.90},
          .memory_narrow = {.low = 0.50, .likely = 0.68, .high = 0.85},
          .compute_wide = {.low = 0.35, .likely = 0.50, .high = 0.70},
          .compute_narrow = {.low = 0.28, .likely = 0.42, .high = 0.62},
          .launch_us = {.low = 0.5, .likely = 1.5, .high = 4},
          .source = "assumed from published speeds of other devices"};
}

}  // namespace fathom::plan
