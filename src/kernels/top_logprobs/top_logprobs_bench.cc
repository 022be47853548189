// top_logprobs of rows of DeepSeek's vocabulary.
#include "kernels/top_logprobs/top_logprobs.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void list(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kRows = 64;
  constexpr std::int32_t kVocabRows = 102'400;
  Bench bench(isa);
  const TopLogprobsArgs args{.logits = bench.random(type, {kRows, kVocabRows}),
                             .num_valid_tokens = kVocabRows,
                             .targets = bench.ints(bench.random_ints(kRows, kVocabRows)),
                             .ids = bench.zeros(DType::kI32, {kRows, kMaxTopLogprobs}),
                             .logprobs = bench.zeros(DType::kF32, {kRows, kMaxTopLogprobs}),
                             .target_logprobs = bench.zeros(DType::kF32, {kRows}),
                             .target_ranks = bench.zeros(DType::kI32, {kRows})};
  report_bytes(state, bench, static_cast<double>(args.logits.num_bytes()),
               [&] { top_logprobs(args, bench.stream()); });
}

const bool kAdded = for_each_case("top_logprobs", {DType::kF32},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, list, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
