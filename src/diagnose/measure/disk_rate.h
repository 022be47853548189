// How fast a disk gives the files that lie on it, past the system's page cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.h"

namespace fathom::diagnose {

struct DiskQuestion {
  std::vector<std::filesystem::path> files;  // a model's weights
  double max_seconds = 3;
  std::int64_t max_bytes = std::int64_t{8} << 30;
};

// In bytes a second, read by several threads at a time, as a fast disk needs. kUnimplemented: the
// file system does not read past the page cache. kInvalidArgument: the files are too small to time.
base::Result<double> disk_bytes_per_s(const DiskQuestion& question);

}  // namespace fathom::diagnose
