// A device under load for minutes: its rate, clocks and heat as time goes by.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "diagnose/facts/gpu_facts.h"
#include "diagnose/facts/measured_facts.h"

namespace fathom::diagnose {

struct LoadQuestion {
  double seconds = 120;
  std::int64_t read_bytes = std::int64_t{1} << 30;
  std::int64_t max_dot_size = 4096;
  // Reads clocks, heat and power of the device, from another thread, while it works; may be empty.
  std::function<GpuFacts()> read_load;
};

// Reads memory and multiplies matrices over and over; one sample for each round, at least two.
base::Result<std::vector<SampleFacts>> sample_under_load(device::Device& device,
                                                         const LoadQuestion& question);

}  // namespace fathom::diagnose
