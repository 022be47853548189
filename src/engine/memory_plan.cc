// What the process has of memory, as the kernel says.
#include "engine/memory_plan.h"

#include <cstdio>
#include <fstream>
#include <string>

namespace fathom::engine {

std::size_t private_memory_bytes() {
  std::ifstream file("/proc/self/status");
  std::string line;
  std::size_t total = 0;
  while (std::getline(file, line)) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "RssAnon: %llu kB", &kibibytes) == 1) {
      total += static_cast<std::size_t>(kibibytes) << 10;
    }
  }
  return total;
}

}  // namespace fathom::engine
