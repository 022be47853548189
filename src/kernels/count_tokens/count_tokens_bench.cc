// count_tokens of a step's tokens in DeepSeek's vocabulary.
#include "kernels/count_tokens/count_tokens.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void count(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 4096;
  constexpr std::int32_t kSlots = 64;
  constexpr std::int32_t kVocabRows = 102'400;
  Bench bench(isa);
  const CountTokensArgs args{.slots = bench.ints(bench.random_ints(kTokens, kSlots)),
                             .tokens = bench.ints(bench.random_ints(kTokens, kVocabRows)),
                             .is_prompt = bench.zeros(type, {kTokens}),
                             .token_counts = bench.zeros(type, {kSlots, kVocabRows})};
  report_bytes(state, bench, kTokens * 20.0, [&] { count_tokens(args, bench.stream()); });
}

const bool kAdded = for_each_case("count_tokens", {DType::kI32},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, count, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
