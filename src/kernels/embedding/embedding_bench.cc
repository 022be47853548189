// embedding of random tokens from a table larger than the caches.
#include "kernels/embedding/embedding.h"

#include <benchmark/benchmark.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

void look_up(benchmark::State& state, device::CpuIsa isa, DType type) {
  constexpr std::int64_t kTokens = 8192;
  constexpr std::int32_t kVocabRows = 32'768;
  constexpr std::int64_t kHidden = 4096;
  Bench bench(isa);
  const EmbeddingArgs args{.ids = bench.ints(bench.random_ints(kTokens, kVocabRows)),
                           .table = bench.random(type, {kVocabRows, kHidden}),
                           .y = bench.zeros(DType::kF32, {kTokens, kHidden})};
  const double bytes =
      static_cast<double>(kTokens * kHidden) * static_cast<double>(tensor::size_bytes(type) + 4);
  report_bytes(state, bench, bytes, [&] { embedding(args, bench.stream()); });
}

const bool kAdded = for_each_case("embedding", {DType::kBF16, DType::kF16},
                                  [](const char* title, device::CpuIsa isa, DType type) {
                                    return benchmark::RegisterBenchmark(title, look_up, isa, type);
                                  });

}  // namespace
}  // namespace fathom::kernels
