// sample over rows of DeepSeek's vocabulary: greedy, over all tokens, with top-p, with penalties.
#include "kernels/sample/sample.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

constexpr std::int64_t kVocabRows = 102'400;

// What the rows ask for.
struct Asked {
  std::int64_t rows;
  float temperature, top_p;
  bool penalties;
};

tensor::MutableView filled(Bench& bench, std::int64_t rows, float value) {
  const tensor::MutableView view = bench.zeros(DType::kF32, {rows});
  std::fill_n(view.as<float>(), rows, value);
  return view;
}

// Each row has seen 1024 tokens.
LogitAdjustments penalties(Bench& bench, std::int64_t rows) {
  const tensor::MutableView counts = bench.zeros(DType::kI32, {rows, kVocabRows});
  std::vector<std::int32_t> slots;
  for (std::int64_t row = 0; row < rows; ++row) {
    slots.push_back(static_cast<std::int32_t>(row));
    for (const std::int32_t token : bench.random_ints(1024, kVocabRows)) {
      ++counts.as<std::int32_t>()[row * kVocabRows + token];
    }
  }
  return {.slots = bench.ints(slots),
          .token_counts = counts,
          .repetition_penalty = filled(bench, rows, 1.1F),
          .presence_penalty = filled(bench, rows, 0.1F),
          .frequency_penalty = filled(bench, rows, 0.1F)};
}

void run(benchmark::State& state, device::CpuIsa isa, const Asked& asked) {
  Bench bench(isa);
  const std::int64_t rows = asked.rows;
  const tensor::MutableView logits = bench.random(DType::kF32, {rows, kVocabRows});
  // As peaked as a model's logits are: a few tokens hold most of the mass.
  auto* values = logits.as<float>();
  for (std::int64_t i = 0; i < rows * kVocabRows; ++i) values[i] *= 8.0F * values[i] * values[i];
  const std::int64_t workspace = sample_workspace_floats(rows, kVocabRows, bench.device());
  SampleArgs args{.logits = logits,
                  .num_valid_tokens = kVocabRows,
                  .temperature = filled(bench, rows, asked.temperature),
                  .top_k = bench.zeros(DType::kI32, {rows}),
                  .top_p = filled(bench, rows, asked.top_p),
                  .min_p = filled(bench, rows, 0.0F),
                  .seeds = bench.zeros(DType::kI64, {rows}),
                  .counters = bench.zeros(DType::kI64, {rows}),
                  .adjustments = {},
                  .workspace = bench.zeros(DType::kF32, {workspace}),
                  .tokens = bench.zeros(DType::kI32, {rows}),
                  .logprobs = bench.zeros(DType::kF32, {rows})};
  if (asked.penalties) args.adjustments = penalties(bench, rows);
  report_bytes(state, bench, static_cast<double>(logits.num_bytes()),
               [&] { sample(args, bench.stream()); });
}

bool add(const char* what, const Asked& asked) {
  return for_each_case(fmt::format("sample/{}/rows:{}", what, asked.rows), {DType::kF32},
                       [&](const char* title, device::CpuIsa isa, DType) {
                         return benchmark::RegisterBenchmark(title, run, isa, asked);
                       });
}

bool add_all() {
  for (const std::int64_t rows : {1, 16}) {
    add("greedy", {rows, 0.0F, 1.0F, false});
    add("all", {rows, 0.7F, 1.0F, false});
    add("top_p", {rows, 0.7F, 0.9F, false});
    add("greedy_penalties", {rows, 0.0F, 1.0F, true});
    add("top_p_penalties", {rows, 0.7F, 0.9F, true});
  }
  return true;
}

const bool kAdded = add_all();

}  // namespace
}  // namespace fathom::kernels
