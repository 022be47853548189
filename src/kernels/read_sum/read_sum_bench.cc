// read_sum over what no cache holds, against itself: the limit is what the neighbours leave.
#include "kernels/read_sum/read_sum.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void stream_through(benchmark::State& state, device::CpuIsa isa, DType) {
  constexpr std::int64_t kCount = std::int64_t{1} << 25;
  Bench bench(isa);
  const ReadSumArgs args{.x = bench.zeros(DType::kI64, {kCount}),
                         .y = bench.zeros(DType::kI64, {1})};
  report_bytes(state, bench, static_cast<double>(args.x.num_bytes()),
               [&] { read_sum(args, bench.stream()); });
}

const bool kAdded =
    for_each_case("read_sum", {DType::kI64}, [](const char* title, device::CpuIsa isa, DType type) {
      return benchmark::RegisterBenchmark(title, stream_through, isa, type);
    });

}  // namespace
}  // namespace fathom::kernels
