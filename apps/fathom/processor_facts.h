// What machine this is, as its kernel tells: read from files, so it takes no time and no driver.
#pragma once

#include <string>
#include <vector>

#include "plan/catalogue.h"

namespace fathom::app {

plan::CpuFacts this_cpu();

// What all processors have done since they started, in seconds of one of them.
struct ProcessorUse {
  double all_seconds = 0;   // idle ones included
  double busy_seconds = 0;  // for anyone
  double own_seconds = 0;   // for this process
};

ProcessorUse processor_use();
// The share of the processors' time between two of them that went to other programs, and to other
// machines on the same host where the kernel knows of them; 0 if nobody says.
double others_share(const ProcessorUse& before, const ProcessorUse& after);

// Names of the NVIDIA GPUs that the driver lists ("NVIDIA H200"); empty without a driver.
std::vector<std::string> nvidia_gpu_titles();

}  // namespace fathom::app
