// Control groups, version 1 and 2: limits of this process's group and of those above it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/system_files.h"

namespace fathom::base {

// A limit that is none.
inline constexpr std::int64_t kUnlimited = -1;

struct CgroupMemory {
  std::optional<std::int64_t> limit_bytes;  // or kUnlimited; the least of all groups
  std::optional<std::int64_t> used_bytes;   // of the group that has this limit
  // Of these, files that the kernel gives up first.
  std::optional<std::int64_t> inactive_file_bytes;
  std::optional<std::int64_t> oom_kills;
};
CgroupMemory cgroup_memory(const SystemFiles& files);

struct CgroupCpu {
  std::optional<double> quota_cpus;  // or kUnlimited
  std::optional<std::int64_t> throttled_periods;
};
CgroupCpu cgroup_cpu(const SystemFiles& files);

}  // namespace fathom::base
