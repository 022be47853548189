// feed_tokens of a step's rows.
#include "kernels/feed_tokens/feed_tokens.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void feed(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 4096;
  constexpr std::int32_t kSlots = 256;
  Bench bench(isa);
  const FeedTokensArgs args{.sources = bench.ints(bench.random_ints(kTokens, kSlots)),
                            .last_tokens = bench.zeros(type, {kSlots}),
                            .ids = bench.zeros(type, {kTokens})};
  report_bytes(state, bench, kTokens * 12.0, [&] { feed_tokens(args, bench.stream()); });
}

const bool kAdded = for_each_case("feed_tokens", {DType::kI32},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, feed, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
