// gather_rows of random rows from more than the caches hold.
#include "kernels/gather_rows/gather_rows.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void gather(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int32_t kTokens = 16'384;
  constexpr std::int64_t kRows = 4096;
  constexpr std::int64_t kWidth = 4096;
  Bench bench(isa);
  const GatherRowsArgs args{.x = bench.random(type, {kTokens, kWidth}),
                            .rows = bench.ints(bench.random_ints(kRows, kTokens)),
                            .y = bench.zeros(type, {kRows, kWidth})};
  report_bytes(state, bench, 2.0 * static_cast<double>(args.y.num_bytes()),
               [&] { gather_rows(args, bench.stream()); });
}

const bool kAdded = for_each_case("gather_rows", {DType::kF32, DType::kBF16},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, gather, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
