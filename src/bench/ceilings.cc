// Runs the operations many times and takes the fastest.
#include "bench/ceilings.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <span>

#include "kernels/linear/linear.h"
#include "kernels/read_sum/read_sum.h"
#include "model/random_weights.h"

namespace fathom::bench {

using base::Result;
using tensor::DType;

namespace {

constexpr std::int64_t kMinReadBytes = std::int64_t{256} << 20;
constexpr std::int64_t kMaxReadBytes = std::int64_t{4} << 30;
constexpr std::int64_t kMinDotSize = 1024;
constexpr std::uint64_t kSeed = 1;
constexpr int kRuns = 6;
// Calls of one run, enqueued at once: starting and waiting for them must not count.
constexpr int kCallsOnGpu = 8;
constexpr double kLongSeconds = 0.25;

int calls_of(device::Stream& stream) { return stream.device().records_steps() ? kCallsOnGpu : 1; }

// The fastest call of several runs.
template <typename F>
Result<double> best_seconds(device::Stream& stream, F&& enqueue) {
  const int calls = calls_of(stream);
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run <= kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    for (int call = 0; call < calls; ++call) enqueue();
    TRY(stream.synchronize());
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    const double seconds = elapsed.count() / calls;
    best = std::min(best, seconds);
    if (seconds > kLongSeconds) break;
  }
  return best;
}

std::int64_t read_bytes(const device::Device& device, const CeilingOptions& options) {
  if (options.read_bytes > 0) return options.read_bytes;
  const auto available = static_cast<std::int64_t>(device.memory().available_bytes);
  return std::clamp(available / 16, kMinReadBytes, kMaxReadBytes);
}

Result<double> read_bytes_per_s(device::Device& device, device::Stream& stream,
                                const CeilingOptions& options) {
  constexpr std::int64_t kRowWords = 1 << 16;
  const std::int64_t rows =
      std::max<std::int64_t>(read_bytes(device, options) / (kRowWords * 8), 1);
  tensor::View values;
  const auto memory =
      TRY(model::RandomArrays::make(device, {}, kSeed, [&](model::RandomArrays& arrays) {
        values = arrays.table(rows, kRowWords * 4);
      }));
  const auto sum = TRY(device.allocate(sizeof(std::int64_t)));
  const kernels::ReadSumArgs args{.x = {values.data, DType::kI64, {rows * kRowWords}},
                                  .y = {sum.data(), DType::kI64, {1}}};
  const double seconds = TRY(best_seconds(stream, [&] { kernels::read_sum(args, stream); }));
  return static_cast<double>(values.num_bytes()) / seconds;
}

// Of the product of two square matrices.
Result<double> dot_seconds(device::Device& device, device::Stream& stream,
                           const CeilingOptions& options, std::int64_t size) {
  kernels::LinearArgs args;
  const auto memory = TRY(model::RandomArrays::make(
      device, {.compute_dtype = options.compute_dtype, .matrices_in_fp8 = options.weights_in_fp8},
      kSeed, [&](model::RandomArrays& arrays) {
        const model::RandomArrays::Inputs x = arrays.inputs(size, size);
        args.x = x.values;
        args.x_scales = x.scales;
        args.weight = arrays.matrix(size, size, false);
        args.y = arrays.activations(size, size);
      }));
  const kernels::LinearShape shape{.in = size,
                                   .out = size,
                                   .x_type = args.x.dtype,
                                   .weight_type = args.weight.blocks[0].weight.dtype,
                                   .y_type = args.y.dtype};
  TRY(kernels::prepare_linear(device, std::span(&shape, 1), size));
  const std::int64_t workspace_bytes = kernels::linear_workspace_bytes(device, size, size);
  const auto workspace = TRY(device.allocate(static_cast<std::size_t>(workspace_bytes)));
  args.workspace = {workspace.data(), DType::kU8, {workspace_bytes}};
  return best_seconds(stream, [&] { kernels::linear(args, stream); });
}

}  // namespace

Result<Ceilings> measure_ceilings(device::Device& device, const CeilingOptions& options) {
  const auto stream = TRY(device.create_stream());
  Ceilings ceilings;
  ceilings.read_bytes_per_s = TRY(read_bytes_per_s(device, *stream, options));
  for (std::int64_t size = kMinDotSize; size <= options.max_dot_size; size *= 2) {
    const double seconds = TRY(dot_seconds(device, *stream, options, size));
    const double flop =
        2.0 * static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(size);
    ceilings.dot_flop_per_s = std::max(ceilings.dot_flop_per_s, flop / seconds);
    // The next one would take eight times as long.
    if (seconds > kLongSeconds / 8) break;
  }
  return ceilings;
}

}  // namespace fathom::bench
