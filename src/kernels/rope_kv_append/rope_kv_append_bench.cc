// rope_kv_append of one long chunk in the shape of DeepSeek 7B.
#include "kernels/rope_kv_append/rope_kv_append.h"

#include <benchmark/benchmark.h>

#include <numeric>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void append(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 4096;
  constexpr std::int64_t kHeads = 32;
  constexpr std::int64_t kDim = 128;
  constexpr std::int64_t kBlockTokens = 16;
  Bench bench(isa);
  std::vector<std::int32_t> order(kTokens);
  std::iota(order.begin(), order.end(), 0);
  const tensor::MutableView positions = bench.ints(order);
  const tensor::Shape half{kTokens / kBlockTokens, kHeads, kBlockTokens, kDim};
  const tensor::Shape scales{kTokens / kBlockTokens, kHeads, kBlockTokens};
  const DType activations = type == DType::kI8 ? DType::kBF16 : type;
  const RopeKvAppendArgs args{.qkv = bench.random(activations, {kTokens, 3 * kHeads * kDim}),
                              .cos_sin = bench.random(DType::kF32, {kTokens, 2, kDim / 2}),
                              .batch = {.positions = positions,
                                        .slots = positions,
                                        .query_starts = {},
                                        .context_lens = bench.ints({kTokens}),
                                        .block_tables = {}},
                              .q = bench.zeros(activations, {kTokens, kHeads, kDim}),
                              .cache = {.keys = bench.zeros(type, half),
                                        .values = bench.zeros(type, half),
                                        .key_scales = bench.zeros(DType::kF32, scales),
                                        .value_scales = bench.zeros(DType::kF32, scales)}};
  const auto moved_bytes = static_cast<double>(args.qkv.num_bytes() + args.q.num_bytes() +
                                               2 * args.cache.keys.num_bytes());
  report_bytes(state, bench, moved_bytes, [&] { rope_kv_append(args, bench.stream()); });
}

const bool kAdded = for_each_case("rope_kv_append", {DType::kF32, DType::kBF16, DType::kI8},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, append, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
