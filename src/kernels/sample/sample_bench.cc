// sample over rows of DeepSeek's vocabulary: greedy, and random with top-p.
#include "kernels/sample/sample.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

constexpr std::int64_t kRows = 64;
constexpr std::int64_t kVocabRows = 102'400;

tensor::MutableView filled(Bench& bench, float value) {
  const tensor::MutableView view = bench.zeros(DType::kF32, {kRows});
  std::fill_n(view.as<float>(), kRows, value);
  return view;
}

void run(benchmark::State& state, device::CpuIsa isa, float temperature, float top_p) {
  Bench bench(isa);
  const tensor::MutableView logits = bench.random(DType::kF32, {kRows, kVocabRows});
  // As peaked as a model's logits are: a few tokens hold most of the mass.
  auto* values = logits.as<float>();
  for (std::int64_t i = 0; i < kRows * kVocabRows; ++i) values[i] *= 8.0F * values[i] * values[i];
  const std::int64_t workspace = sample_workspace_floats(kRows, kVocabRows, bench.device());
  const SampleArgs args{.logits = logits,
                        .num_valid_tokens = kVocabRows,
                        .temperature = filled(bench, temperature),
                        .top_k = bench.zeros(DType::kI32, {kRows}),
                        .top_p = filled(bench, top_p),
                        .min_p = filled(bench, 0.0F),
                        .seeds = bench.zeros(DType::kI64, {kRows}),
                        .counters = bench.zeros(DType::kI64, {kRows}),
                        .workspace = bench.zeros(DType::kF32, {workspace}),
                        .tokens = bench.zeros(DType::kI32, {kRows}),
                        .logprobs = bench.zeros(DType::kF32, {kRows})};
  report_bytes(state, bench, static_cast<double>(logits.num_bytes()),
               [&] { sample(args, bench.stream()); });
}

void greedy(benchmark::State& state, device::CpuIsa isa, DType) { run(state, isa, 0.0F, 1.0F); }
void top_p(benchmark::State& state, device::CpuIsa isa, DType) { run(state, isa, 0.7F, 0.95F); }

const bool kAdded = for_each_case("sample/greedy", {DType::kF32},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, greedy, isa, type);
                                  }) &&
                    for_each_case("sample/top_p", {DType::kF32},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, top_p, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
