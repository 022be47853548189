// Configurations as text for people, in lines of at most 80 characters.
#pragma once

#include <string>
#include <vector>

#include "plan/planner.h"

namespace fathom::plan {

// Memory, speed and notes of every configuration.
std::string overview_text(const Demand& demand, const std::vector<Configuration>& configurations);

// With a target: the cheapest configurations that meet it, and why no other device does.
std::string target_text(const Demand& demand, const std::vector<Configuration>& configurations);

}  // namespace fathom::plan
