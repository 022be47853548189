// Reads GpuFacts through NVML and /sys.
#pragma once

#include <cstdint>

#include "base/system_files.h"
#include "diagnose/facts/facts.h"
#include "diagnose/probes/nvml_values.h"

namespace fathom::diagnose {

// All of one GPU but its Xids, which stand in the kernel's log.
GpuFacts probe_gpu(const NvmlReader& reader, const base::SystemFiles& files, std::int64_t index);

// The parts that change under load alone: clocks, heat, power, the PCIe link.
GpuFacts probe_gpu_load(const NvmlReader& reader, std::int64_t index);

}  // namespace fathom::diagnose
