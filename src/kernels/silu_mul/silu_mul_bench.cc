// silu_mul over more activations than the caches hold.
#include "kernels/silu_mul/silu_mul.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void stream_through(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 2048;
  constexpr std::int64_t kIntermediate = 11008;
  Bench bench(isa);
  const SiluMulArgs args{.gate_up = bench.random(type, {kTokens, 2 * kIntermediate}),
                         .y = bench.zeros(type, {kTokens, kIntermediate})};
  report_bytes(state, bench, static_cast<double>(args.gate_up.num_bytes() + args.y.num_bytes()),
               [&] { silu_mul(args, bench.stream()); });
}

const bool kAdded = for_each_case(
    "silu_mul", {DType::kF32, DType::kBF16}, [](const char* title, device::CpuIsa isa, DType type) {
      return benchmark::RegisterBenchmark(title, stream_through, isa, type);
    });

}  // namespace
}  // namespace fathom::kernels
