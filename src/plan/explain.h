// How each number of a configuration came about: formula and inputs.
#pragma once

#include <string>

#include "plan/planner.h"

namespace fathom::plan {

// Lines of at most 80 characters.
std::string explain_text(const Demand& demand, const Configuration& configuration);

}  // namespace fathom::plan
