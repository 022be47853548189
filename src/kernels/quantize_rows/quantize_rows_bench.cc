// quantize_rows of a long prompt's attention output in the width of DeepSeek 7B.
#include "kernels/quantize_rows/quantize_rows.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void quantize(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kRows = 2048;
  constexpr std::int64_t kWidth = 4096;
  Bench bench(isa);
  const QuantizeRowsArgs args{.x = bench.random(type, {kRows, kWidth}),
                              .y = bench.zeros(DType::kF8E4M3, {kRows, kWidth}),
                              .scales = bench.zeros(DType::kF32, {kRows})};
  report_bytes(state, bench, static_cast<double>(args.x.num_bytes() + args.y.num_bytes()),
               [&] { quantize_rows(args, bench.stream()); });
}

const bool kAdded = for_each_case("quantize_rows", {DType::kF32, DType::kBF16},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, quantize, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
