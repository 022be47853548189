// Levels 2 and 3: measures the disk, every device, and the ways between GPUs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/facts/facts.h"
#include "spec/model_spec.h"

namespace fathom::diagnose {

struct MeasureQuestion {
  std::string shape_name;
  spec::ModelSpec shape;
  std::vector<std::filesystem::path> model_files;  // empty: the disk is not measured
  double load_seconds = 0;                         // 0: level 2
  // Called before each phase with what it is; may be empty.
  std::function<void(std::string_view)> on_phase;
};

// Measures each GPU that the facts have and that opens, else the processor. On the processor models
// of over a billion parameters are cut to two layers. Level 2 takes some seconds for each GPU, up
// to two minutes on a slow processor. Sets CUDA_DEVICE_ORDER, so that CUDA counts as NVML does: to
// be called before any GPU is opened.
MeasuredFacts measure(const Facts& facts, const MeasureQuestion& question);

}  // namespace fathom::diagnose
