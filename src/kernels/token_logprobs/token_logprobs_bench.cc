// token_logprobs of rows of DeepSeek's vocabulary.
#include "kernels/token_logprobs/token_logprobs.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void score(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kRows = 256;
  constexpr std::int32_t kVocabRows = 102'400;
  Bench bench(isa);
  const TokenLogprobsArgs args{.logits = bench.random(type, {kRows, kVocabRows}),
                               .num_valid_tokens = kVocabRows,
                               .targets = bench.ints(bench.random_ints(kRows, kVocabRows)),
                               .y = bench.zeros(DType::kF32, {kRows})};
  report_bytes(state, bench, static_cast<double>(args.logits.num_bytes()),
               [&] { token_logprobs(args, bench.stream()); });
}

const bool kAdded = for_each_case("token_logprobs", {DType::kF32},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, score, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
