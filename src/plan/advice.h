// What is to be said about a configuration: why it fits or not, and where usual advice is wrong.
#pragma once

#include <string>
#include <vector>

#include "plan/planner.h"

namespace fathom::plan {

// Of one configuration, the most important first.
std::vector<std::string> reasons_of(const Demand& demand, const Configuration& configuration);

// Of the model, whatever it runs on: how its memory adds up.
std::vector<std::string> model_notes(const Demand& demand);

}  // namespace fathom::plan
