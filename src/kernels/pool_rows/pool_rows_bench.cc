// pool_rows of one long chunk in the width of DeepSeek 7B.
#include "kernels/pool_rows/pool_rows.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void pool(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kRows = 4096;
  constexpr std::int64_t kHidden = 4096;
  Bench bench(isa);
  const PoolRowsArgs args{.x = bench.random(type, {kRows, kHidden}),
                          .slots = bench.ints(bench.random_ints(kRows, 4)),
                          .y = bench.zeros(DType::kF32, {4, kHidden})};
  report_bytes(state, bench, static_cast<double>(args.x.num_bytes()),
               [&] { pool_rows(args, bench.stream()); });
}

const bool kAdded = for_each_case("pool_rows", {DType::kF32, DType::kBF16},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, pool, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
