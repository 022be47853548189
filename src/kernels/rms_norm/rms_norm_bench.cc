// rms_norm over more rows than the caches hold.
#include "kernels/rms_norm/rms_norm.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void stream_through(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 8192;
  constexpr std::int64_t kHidden = 4096;
  Bench bench(isa);
  const RmsNormArgs args{.x = bench.random(DType::kF32, {kTokens, kHidden}),
                         .weight = bench.random(DType::kBF16, {kHidden}),
                         .y = bench.zeros(type, {kTokens, kHidden})};
  const auto bytes = static_cast<double>(args.x.num_bytes() + args.y.num_bytes());
  report_bytes(state, bench, bytes, [&] { rms_norm(args, bench.stream()); });
}

const bool kAdded = for_each_case(
    "rms_norm", {DType::kF32, DType::kBF16}, [](const char* title, device::CpuIsa isa, DType type) {
      return benchmark::RegisterBenchmark(title, stream_through, isa, type);
    });

}  // namespace
}  // namespace fathom::kernels
