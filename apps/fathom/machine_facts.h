// What machine this is, as its kernel tells: read from files, so it takes no time and no driver.
#pragma once

#include <string>
#include <vector>

#include "plan/catalogue.h"

namespace fathom::app {

plan::CpuFacts this_cpu();

// Names of the NVIDIA GPUs that the driver lists ("NVIDIA H200"); empty without a driver.
std::vector<std::string> nvidia_gpu_titles();

}  // namespace fathom::app
