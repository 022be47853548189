// Configurations as JSON for machines.
#pragma once

#include <boost/json/fwd.hpp>
#include <vector>

#include "plan/planner.h"

namespace fathom::plan {

boost::json::object plan_json(const Demand& demand,
                              const std::vector<Configuration>& configurations);

}  // namespace fathom::plan
