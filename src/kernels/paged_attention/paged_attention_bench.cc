// paged_attention in the shape of DeepSeek 7B: decode of many sequences, and prefill of one.
#include "kernels/paged_attention/paged_attention.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <numeric>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

constexpr std::int64_t kHeads = 32;
constexpr std::int64_t kDim = 128;
constexpr std::int64_t kBlockTokens = 16;

// Sequences of `context` tokens of which the last `rows` are queries; blocks in order.
PagedAttentionArgs args_of(Bench& bench, DType type, std::int64_t sequences, std::int64_t context,
                           std::int64_t rows) {
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> starts{0};
  for (std::int64_t i = 0; i < sequences; ++i) {
    for (std::int64_t p = context - rows; p < context; ++p) {
      positions.push_back(static_cast<std::int32_t>(p));
    }
    starts.push_back(static_cast<std::int32_t>(positions.size()));
  }
  const std::int64_t blocks = context / kBlockTokens;
  std::vector<std::int32_t> table(static_cast<std::size_t>(sequences * blocks));
  std::iota(table.begin(), table.end(), 0);
  tensor::MutableView tables = bench.ints(table);
  tables.shape = {sequences, blocks};
  const tensor::MutableView rows_at = bench.ints(positions);
  const tensor::Shape half{sequences * blocks, kHeads, kBlockTokens, kDim};
  const tensor::Shape scales{sequences * blocks, kHeads, kBlockTokens};
  const DType activations = type == DType::kI8 ? DType::kBF16 : type;
  const tensor::Shape queries{sequences * rows, kHeads, kDim};
  return {.q = bench.random(activations, queries),
          .batch = {.positions = rows_at,
                    .slots = rows_at,
                    .query_starts = bench.ints(starts),
                    .context_lens = bench.ints(std::vector<std::int32_t>(
                        static_cast<std::size_t>(sequences), static_cast<std::int32_t>(context))),
                    .block_tables = tables},
          .cache = {.keys = bench.random(type, half),
                    .values = bench.random(type, half),
                    .key_scales = bench.random(DType::kF32, scales),
                    .value_scales = bench.random(DType::kF32, scales)},
          .scale = 1.0F / std::sqrt(static_cast<float>(kDim)),
          .y = bench.zeros(activations, queries)};
}

void decode(benchmark::State& state, device::CpuIsa isa, DType type) {
  Bench bench(isa);
  const PagedAttentionArgs args = args_of(bench, type, 16, 1024, 1);
  report_bytes(state, bench, 2.0 * static_cast<double>(args.cache.keys.num_bytes()),
               [&] { paged_attention(args, bench.stream()); });
}

void prefill(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 512;
  Bench bench(isa);
  const PagedAttentionArgs args = args_of(bench, type, 1, kTokens, kTokens);
  // Both products are f32: weights and sums are, whatever the cache holds.
  report_flop(state, bench, false, 2.0 * kHeads * kDim * kTokens * (kTokens + 1),
              [&] { paged_attention(args, bench.stream()); });
}

const bool kAdded =
    for_each_case("paged_attention/decode", {DType::kF32, DType::kBF16, DType::kI8},
                  [](const char* title, device::CpuIsa isa, DType type) {
                    return benchmark::RegisterBenchmark(title, decode, isa, type);
                  }) &&
    for_each_case("paged_attention/prefill", {DType::kF32, DType::kBF16, DType::kI8},
                  [](const char* title, device::CpuIsa isa, DType type) {
                    return benchmark::RegisterBenchmark(title, prefill, isa, type);
                  });

}  // namespace
}  // namespace fathom::kernels
