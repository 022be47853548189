// residual_rms_norm over more rows than the caches hold.
#include "kernels/residual_rms_norm/residual_rms_norm.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void stream_through(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 8192;
  constexpr std::int64_t kHidden = 4096;
  Bench bench(isa);
  const ResidualRmsNormArgs args{.residual = bench.random(DType::kF32, {kTokens, kHidden}),
                                 .delta = bench.random(type, {kTokens, kHidden}),
                                 .weight = bench.random(DType::kBF16, {kHidden}),
                                 .y = bench.zeros(type, {kTokens, kHidden})};
  const auto bytes = static_cast<double>(2 * args.residual.num_bytes() + args.delta.num_bytes() +
                                         args.y.num_bytes());
  report_bytes(state, bench, bytes, [&] { residual_rms_norm(args, bench.stream()); });
}

const bool kAdded =
    for_each_case("residual_rms_norm", {DType::kF32, DType::kBF16},
                  [](const char* title, device::CpuIsa isa, DType type) {
                    return benchmark::RegisterBenchmark(title, stream_through, isa, type);
                  });

}  // namespace
}  // namespace fathom::kernels
