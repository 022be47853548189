// Host memory from /proc/meminfo, control groups, pressure and /dev/shm.
#include <sys/statvfs.h>

#include <algorithm>
#include <cctype>

#include "base/cgroup.h"
#include "diagnose/probes/host_probe.h"

namespace fathom::diagnose {
namespace {

constexpr std::size_t kSwapUsers = 5;

std::optional<std::vector<ProcessFacts>> swap_users(const base::SystemFiles& files) {
  const auto names = files.names("/proc");
  if (!names) return std::nullopt;
  std::vector<ProcessFacts> users;
  for (const std::string& name : *names) {
    const auto pid = base::whole_number(name);
    if (!pid) continue;
    const auto bytes = files.kibibytes_after("/proc/" + name + "/status", "VmSwap:");
    if (bytes.value_or(0) <= 0) continue;
    users.push_back(
        {.pid = *pid, .name = files.text("/proc/" + name + "/comm"), .used_bytes = bytes});
  }
  std::ranges::sort(users, std::greater<>{}, &ProcessFacts::used_bytes);
  if (users.size() > kSwapUsers) users.resize(kSwapUsers);
  return users;
}

// "some avg10=0.12 avg60=..."
std::optional<double> pressure_percent(const base::SystemFiles& files) {
  const auto text = files.text("/proc/pressure/memory");
  if (!text) return std::nullopt;
  for (const std::string& line : base::lines_of(*text)) {
    const std::vector<std::string> words = base::words_of(line);
    if (words.size() > 1 && words[0] == "some" && words[1].starts_with("avg10=")) {
      return base::decimal_number(words[1].substr(6));
    }
  }
  return std::nullopt;
}

// "always [madvise] never": the one in brackets.
std::optional<std::string> chosen(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const std::size_t open = text->find('[');
  const std::size_t close = text->find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  return text->substr(open + 1, close - open - 1);
}

}  // namespace

MemoryFacts probe_memory(const base::SystemFiles& files) {
  MemoryFacts memory;
  const char* const info = "/proc/meminfo";
  memory.total_bytes = files.kibibytes_after(info, "MemTotal:");
  memory.available_bytes = files.kibibytes_after(info, "MemAvailable:");
  memory.swap_total_bytes = files.kibibytes_after(info, "SwapTotal:");
  const auto swap_free = files.kibibytes_after(info, "SwapFree:");
  if (memory.swap_total_bytes && swap_free) {
    memory.swap_used_bytes = std::max<std::int64_t>(*memory.swap_total_bytes - *swap_free, 0);
  }
  memory.swap_users = swap_users(files);
  memory.pressure_percent = pressure_percent(files);
  const base::CgroupMemory group = base::cgroup_memory(files);
  memory.cgroup_limit_bytes = group.limit_bytes;
  memory.cgroup_used_bytes = group.used_bytes;
  memory.cgroup_oom_kills = group.oom_kills;
  memory.transparent_huge_pages = chosen(files.text("/sys/kernel/mm/transparent_hugepage/enabled"));
  memory.overcommit_mode = files.number("/proc/sys/vm/overcommit_memory");
  struct statvfs shm{};
  if (::statvfs(files.at("/dev/shm").c_str(), &shm) == 0) {
    memory.shm_total_bytes = static_cast<std::int64_t>(shm.f_blocks * shm.f_frsize);
    memory.shm_available_bytes = static_cast<std::int64_t>(shm.f_bavail * shm.f_frsize);
  }
  return memory;
}

}  // namespace fathom::diagnose
