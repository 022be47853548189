// Which configurations meet a latency and a load, cheapest first.
#pragma once

#include <vector>

#include "base/result.h"
#include "plan/planner.h"

namespace fathom::plan {

// A server's steady state: `batch` sequences at a time, each with the prompt of another between its
// steps.
struct SteadyState {
  std::int64_t batch = 0;
  double requests_per_s = 0;  // that it answers, of one instance
  double utilization = 0;     // of prompts: share of the time that goes to them
  Range ttft_seconds;         // waiting for the prompts before it, its own, and a step
  Range tpot_seconds;
};

// With `requests_per_s` arriving at one instance; its batch is what that load needs.
SteadyState steady_state(const Placement& placement, const Demand& demand, std::int64_t batch,
                         double requests_per_s);

base::Result<std::vector<Configuration>> plan_for_target(const Demand& demand);

}  // namespace fathom::plan
