// Walks from this process's group to the root.
#include "base/cgroup.h"

#include <string>
#include <vector>

namespace fathom::base {
namespace {

// Version 1 writes its largest number, rounded to pages, where there is no limit.
constexpr std::int64_t kNoLimitV1 = std::int64_t{1} << 60;

struct Groups {
  bool is_v2 = false;
  std::vector<std::string> folders;  // this group's first, the root's last; some may not be there
};

// A line is "5:cpu,cpuacct:/path"; version 2 has "0::/path".
std::optional<std::string> group_path(const SystemFiles& files, const std::string& controller) {
  const auto text = files.text("/proc/self/cgroup");
  if (!text) return std::nullopt;
  for (const std::string& line : lines_of(*text)) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_wanted = controller.empty()
                               ? controllers == ",,"
                               : controllers.find("," + controller + ",") != std::string::npos;
    if (is_wanted) return line.substr(second + 1);
  }
  return std::nullopt;
}

Groups groups_of(const SystemFiles& files, const std::string& controller) {
  Groups groups;
  std::string mount = "/sys/fs/cgroup";
  groups.is_v2 = files.exists(mount + "/cgroup.controllers");
  if (!groups.is_v2) mount += "/" + controller;
  // Inside a container the path may be the host's, whose folders are not there.
  std::string path = group_path(files, groups.is_v2 ? "" : controller).value_or("/");
  while (path.size() > 1 && path.starts_with('/')) {
    groups.folders.push_back(mount + path);
    path.resize(path.rfind('/'));
  }
  groups.folders.push_back(mount);
  return groups;
}

std::optional<std::int64_t> limit_in(const SystemFiles& files, const Groups& groups,
                                     const std::string& folder) {
  const auto text = files.text(folder + (groups.is_v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  if (!text) return std::nullopt;
  if (*text == "max") return kUnlimited;
  const auto bytes = whole_number(*text);
  // Beyond 2^63 from_chars refuses: no limit either.
  return bytes && *bytes >= 0 && *bytes < kNoLimitV1 ? *bytes : kUnlimited;
}

std::optional<double> quota_in(const SystemFiles& files, const Groups& groups,
                               const std::string& folder) {
  if (groups.is_v2) {
    const auto text = files.text(folder + "/cpu.max");
    if (!text) return std::nullopt;
    const std::vector<std::string> words = words_of(*text);
    if (words.size() != 2) return std::nullopt;
    if (words[0] == "max") return kUnlimited;
    const auto quota = decimal_number(words[0]);
    const auto period = decimal_number(words[1]);
    if (!quota || !period || *period <= 0) return std::nullopt;
    return *quota / *period;
  }
  const auto quota = files.number(folder + "/cpu.cfs_quota_us");
  const auto period = files.number(folder + "/cpu.cfs_period_us");
  if (!quota || !period || *period <= 0) return std::nullopt;
  if (*quota < 0) return kUnlimited;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

}  // namespace

CgroupMemory cgroup_memory(const SystemFiles& files) {
  const Groups groups = groups_of(files, "memory");
  CgroupMemory memory;
  for (const std::string& folder : groups.folders) {
    const auto limit = limit_in(files, groups, folder);
    if (!limit) continue;
    const bool is_lower = !memory.limit_bytes || *memory.limit_bytes == kUnlimited ||
                          (*limit != kUnlimited && *limit < *memory.limit_bytes);
    if (is_lower) {
      memory.limit_bytes = limit;
      memory.used_bytes =
          files.number(folder + (groups.is_v2 ? "/memory.current" : "/memory.usage_in_bytes"));
      memory.inactive_file_bytes = files.number_after(
          folder + "/memory.stat", groups.is_v2 ? "inactive_file" : "total_inactive_file");
    }
    if (!memory.oom_kills) {
      memory.oom_kills = files.number_after(
          folder + (groups.is_v2 ? "/memory.events" : "/memory.oom_control"), "oom_kill");
    }
  }
  // The root of version 2 has none of these files.
  if (!memory.limit_bytes && groups.is_v2) memory.limit_bytes = kUnlimited;
  return memory;
}

CgroupCpu cgroup_cpu(const SystemFiles& files) {
  const Groups groups = groups_of(files, "cpu");
  CgroupCpu cpu;
  for (const std::string& folder : groups.folders) {
    const auto quota = quota_in(files, groups, folder);
    const bool is_lower = quota && (!cpu.quota_cpus || *cpu.quota_cpus == kUnlimited ||
                                    (*quota != kUnlimited && *quota < *cpu.quota_cpus));
    if (is_lower) cpu.quota_cpus = quota;
    if (!cpu.throttled_periods) {
      cpu.throttled_periods = files.number_after(folder + "/cpu.stat", "nr_throttled");
    }
  }
  if (!cpu.quota_cpus && groups.is_v2) cpu.quota_cpus = kUnlimited;
  return cpu;
}

}  // namespace fathom::base
