// Rates of one device: copies with data checked, memory, products, a decode step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "device/device.h"
#include "diagnose/facts/measured_facts.h"
#include "spec/model_spec.h"

namespace fathom::diagnose {

struct DeviceQuestion {
  std::string shape_name;  // of `shape`, for people
  spec::ModelSpec shape;
  std::int64_t num_layers = 0;  // of the decode step; 0: all
  std::size_t copy_bytes = std::size_t{256} << 20;
  std::int64_t context_tokens = 600;
  std::int64_t max_dot_size = 8192;
  std::int64_t ceiling_read_bytes = 0;  // 0: see bench::CeilingOptions
  // Called while copies are under way; may be empty.
  std::function<void()> while_copying;
};

// What fails is told in `problem`; what was measured before stays. Seconds on a GPU, a minute on a
// slow processor.
DeviceRateFacts measure_device(device::Device& device, const DeviceQuestion& question);

// A copy from one device's memory to another's, the best of several, with the data compared.
base::Result<PeerCopyFacts> measure_peer_copy(device::Device& from, device::Device& to,
                                              std::size_t num_bytes);

}  // namespace fathom::diagnose
