// linear as a layer of a 7B model runs it: weights from memory for one token, products for many.
#include "kernels/linear/linear.h"

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

constexpr std::int64_t kIn = 4096;
constexpr std::int64_t kOut = 11008;

LinearArgs args_of(tensor::View x, tensor::View w, tensor::MutableView y) {
  LinearArgs args;
  args.x = x;
  args.weight.num_blocks = 1;
  args.weight.blocks[0].weight = w;
  args.y = y;
  return args;
}

// Several matrices take turns, so that none is left in the cache from its last turn.
void decode(benchmark::State& state, device::CpuIsa isa, DType x_type, DType w_type,
            std::int64_t tokens) {
  Bench bench(isa);
  std::vector<LinearArgs> turns;
  const tensor::View x = bench.random(x_type, {tokens, kIn});
  const tensor::MutableView y = bench.zeros(x_type, {tokens, kOut});
  for (int i = 0; i < 3; ++i) turns.push_back(args_of(x, bench.random(w_type, {kOut, kIn}), y));
  std::size_t turn = 0;
  report_bytes(state, bench, static_cast<double>(turns[0].weight.blocks[0].weight.num_bytes()),
               [&] {
                 linear(turns[turn], bench.stream());
                 turn = (turn + 1) % turns.size();
               });
}

void prefill(benchmark::State& state, device::CpuIsa isa, DType x_type, DType w_type,
             std::int64_t tokens) {
  Bench bench(isa);
  const LinearArgs args =
      args_of(bench.random(x_type, {tokens, kIn}), bench.random(w_type, {kOut, kIn}),
              bench.zeros(x_type, {tokens, kOut}));
  const double flop = 2.0 * kIn * kOut * static_cast<double>(tokens);
  report_flop(state, bench, x_type == DType::kBF16, flop, [&] { linear(args, bench.stream()); });
}

bool add_all() {
  struct Case {
    DType x, w;
  };
  constexpr Case kCases[] = {
      {DType::kBF16, DType::kBF16}, {DType::kF32, DType::kBF16}, {DType::kF32, DType::kF32}};
  for (const device::CpuIsa isa : device::usable_isas()) {
    for (const Case& each : kCases) {
      for (const std::int64_t tokens : {1, 8, 128, 256}) {
        const bool is_decode = tokens <= 8;
        const std::string title =
            fmt::format("{}/x:{}/w:{}/tokens:{}/{}", is_decode ? "decode" : "prefill", name(each.x),
                        name(each.w), tokens, device::name(isa));
        benchmark::RegisterBenchmark(title.c_str(), is_decode ? decode : prefill, isa, each.x,
                                     each.w, tokens)
            ->UseRealTime()
            ->MinTime(0.1);
      }
    }
  }
  return true;
}

const bool kAdded = add_all();

}  // namespace
}  // namespace fathom::kernels
