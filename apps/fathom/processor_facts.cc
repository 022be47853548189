// Reads /proc and /sys.
#include "processor_facts.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/cgroup.h"
#include "base/thread_pool.h"
#include "device/cpu_device.h"

namespace fathom::app {
namespace {

double memory_gib() {
  constexpr double kGib = 1 << 30;
  const base::SystemFiles files("/");
  const std::int64_t total = files.kibibytes_after("/proc/meminfo", "MemTotal:").value_or(0);
  const std::int64_t limit = base::cgroup_memory(files).limit_bytes.value_or(base::kUnlimited);
  return static_cast<double>(limit == base::kUnlimited ? total : std::min(total, limit)) / kGib;
}

}  // namespace

plan::CpuFacts this_cpu() {
  plan::CpuFacts facts;
  const auto title = base::SystemFiles("/").value_after("/proc/cpuinfo", "model name");
  facts.title = title && !title->empty() ? *title : "processor";
  facts.isa = device::name(device::usable_isas().back());
  facts.num_cores = base::usable_cores();
  facts.memory_gib = memory_gib();
  return facts;
}

ProcessorUse processor_use() {
  ProcessorUse use;
  std::ifstream file("/proc/stat");
  std::string name;
  // user nice system idle iowait irq softirq steal
  double ticks[8] = {};
  file >> name;
  for (double& each : ticks) file >> each;
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  for (std::size_t i = 0; i < std::size(ticks); ++i) {
    use.all_seconds += ticks[i] / ticks_per_second;
    if (i != 3 && i != 4) use.busy_seconds += ticks[i] / ticks_per_second;
  }
  rusage own{};
  if (::getrusage(RUSAGE_SELF, &own) == 0) {
    for (const timeval& part : {own.ru_utime, own.ru_stime}) {
      use.own_seconds +=
          static_cast<double>(part.tv_sec) + static_cast<double>(part.tv_usec) * 1e-6;
    }
  }
  return use;
}

double others_share(const ProcessorUse& before, const ProcessorUse& after) {
  const double all = after.all_seconds - before.all_seconds;
  const double others =
      after.busy_seconds - before.busy_seconds - (after.own_seconds - before.own_seconds);
  return all > 0 ? std::clamp(others / all, 0.0, 1.0) : 0;
}

std::vector<std::string> nvidia_gpu_titles() {
  const std::string folder = "/proc/driver/nvidia/gpus/";
  const base::SystemFiles files("/");
  std::vector<std::string> titles;
  for (const std::string& gpu : files.names(folder).value_or(std::vector<std::string>())) {
    const auto title = files.value_after(folder + gpu + "/information", "Model");
    if (title && !title->empty()) titles.push_back(*title);
  }
  return titles;
}

}  // namespace fathom::app
