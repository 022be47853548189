// The row of the processor at hand, estimated.
#include <fmt/format.h>

#include <algorithm>

#include "plan/catalogue.h"

namespace fathom::plan {
namespace {

// Memory channels are shared: two cores come near what one channel gives, many do not add up.
constexpr double kCoreGbPerS = 12;
constexpr double kMaxGbPerS = 60;
// A core's products at about 3 GHz, in GFLOP/s.
double core_gflops(std::string_view isa) {
  if (isa == "avx512_bf16") return 180;
  if (isa == "avx512") return 95;
  if (isa == "avx2") return 50;
  return 12;
}

Figure estimate(double value) {
  return {.value = value,
          .source = "estimated from cores and instruction set; --calibrate measures it",
          .date = "",
          .is_verified = false};
}

Figure probed(double value, bool is_guess) {
  return {.value = value,
          .source = is_guess ? "assumed" : "this machine's kernel says so",
          .date = "",
          .is_verified = !is_guess};
}

}  // namespace

Accelerator cpu_row(const CpuFacts& facts) {
  Accelerator cpu;
  cpu.name = "cpu";
  cpu.title = fmt::format("{}, {} cores, {}", facts.title, facts.num_cores, facts.isa);
  cpu.is_cpu = true;
  cpu.shares_host_memory = true;
  cpu.memory_gib = probed(facts.memory_gib, facts.is_guess);
  const double cores = std::max(facts.num_cores, 1);
  const double gflops = cores * core_gflops(facts.isa);
  cpu.bandwidth_gb_per_s = estimate(std::min(cores * kCoreGbPerS, kMaxGbPerS));
  cpu.fp16_tflops = estimate(gflops / 1e3);
  cpu.int8_tops = estimate(2 * gflops / 1e3);
  cpu.multiprocessors = probed(cores, facts.is_guess);
  cpu.host_link_gb_per_s = cpu.bandwidth_gb_per_s;
  cpu.table_counts = {1};
  return cpu;
}

}  // namespace fathom::plan
