// Rates of a machine that no model tells of: an operation's own cost, copies to a device, its disk.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "device/device.h"

namespace fathom::bench {

// Of a small operation among many of a step, as the device runs steps: recorded where it records.
base::Result<double> launch_seconds(device::Device& device);

// From page-locked host memory. Takes 256 MiB on both sides while it runs.
base::Result<double> host_to_device_bytes_per_s(device::Device& device);

// Reads past the page cache, 8 MiB at a time, at most 1 GiB of the file.
base::Result<double> disk_read_bytes_per_s(const std::filesystem::path& file);

// The same of a file of its own in this folder, which is removed.
base::Result<double> folder_read_bytes_per_s(const std::filesystem::path& folder);

}  // namespace fathom::bench
