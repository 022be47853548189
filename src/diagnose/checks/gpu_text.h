// How checks speak of a GPU.
#pragma once

#include <fmt/format.h>

#include <string>

#include "diagnose/facts/gpu_facts.h"

namespace fathom::diagnose {

// "GPU 0 (NVIDIA H200)".
inline std::string label(const GpuFacts& gpu) {
  return gpu.name ? fmt::format("GPU {} ({})", gpu.index, *gpu.name)
                  : fmt::format("GPU {}", gpu.index);
}

}  // namespace fathom::diagnose
