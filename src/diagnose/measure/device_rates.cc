// Times copies, and lets bench time the rest.
#include "diagnose/measure/device_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <random>

#include "bench/shape_rates.h"
#include "device/device_copy.h"

namespace fathom::diagnose {

using base::Result;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRuns = 4;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double gb_per_s(std::size_t num_bytes, double seconds) {
  return static_cast<double>(num_bytes) / std::max(seconds, 1e-9) * 1e-9;
}

// Numbers without a pattern that a broken path could keep.
void fill(const device::Buffer& buffer, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto* const bytes = static_cast<unsigned char*>(buffer.data());
  for (std::size_t i = 0; i + 8 <= buffer.size_bytes(); i += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes + i, &word, sizeof(word));
  }
}

bool are_equal(const device::Buffer& one, const device::Buffer& other) {
  return std::memcmp(one.data(), other.data(), one.size_bytes()) == 0;
}

// Host to device and back; the best of several runs each.
Result<void> measure_copies(device::Device& device, const DeviceQuestion& question,
                            DeviceRateFacts& rates) {
  const std::size_t num_bytes = question.copy_bytes;
  const auto sent = TRY(device.allocate(num_bytes, device::Place::kHost));
  const auto returned = TRY(device.allocate(num_bytes, device::Place::kHost));
  const auto there = TRY(device.allocate(num_bytes, device::Place::kDevice));
  const auto stream = TRY(device.create_stream());
  fill(sent, 1);
  double to_seconds = std::numeric_limits<double>::infinity();
  double from_seconds = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    auto start = Clock::now();
    stream->copy_to_device(there.data(), sent.data(), num_bytes);
    TRY(stream->synchronize());
    to_seconds = std::min(to_seconds, seconds_since(start));
    start = Clock::now();
    stream->copy_to_host(returned.data(), there.data(), num_bytes);
    TRY(stream->synchronize());
    from_seconds = std::min(from_seconds, seconds_since(start));
  }
  rates.host_to_device_gb_per_s = gb_per_s(num_bytes, to_seconds);
  rates.device_to_host_gb_per_s = gb_per_s(num_bytes, from_seconds);
  rates.copied_data_equal = are_equal(sent, returned);
  if (!question.while_copying) return {};
  constexpr int kQueuedCopies = 16;
  for (int i = 0; i < kQueuedCopies; ++i) {
    stream->copy_to_device(there.data(), sent.data(), num_bytes);
  }
  question.while_copying();
  return stream->synchronize();
}

Result<void> measure_shape(device::Device& device, const DeviceQuestion& question,
                           DeviceRateFacts& rates) {
  bench::ShapeBenchOptions options;
  options.spec = question.shape;
  const std::int64_t all_layers = question.shape.num_layers;
  if (question.num_layers > 0) {
    options.spec.num_layers = std::min(question.num_layers, all_layers);
  }
  const auto dtype =
      device.supports(tensor::DType::kBF16) ? tensor::DType::kBF16 : tensor::DType::kF16;
  options.compute_dtype = dtype;
  options.kv_dtype = dtype;
  options.batches = {1};
  options.context_tokens = std::max(question.context_tokens, bench::kMinContextTokens);
  options.prompt_tokens = 0;
  options.max_dot_size = question.max_dot_size;
  options.ceiling_read_bytes = question.ceiling_read_bytes;
  const bench::ShapeReport report = TRY(bench::bench_shape(device, options));
  rates.read_gb_per_s = report.ceilings.read_bytes_per_s * 1e-9;
  rates.dot_tflop_per_s = report.ceilings.dot_flop_per_s * 1e-12;
  if (report.decode.empty()) return {};
  rates.decode_tokens_per_s = report.decode.front().tokens_per_s;
  rates.decode_limit_tokens_per_s = report.decode.front().limit_tokens_per_s;
  rates.decode_shape =
      fmt::format("{}, {} of {} layers, {}, one sequence of {} tokens", question.shape_name,
                  options.spec.num_layers, all_layers, tensor::name(dtype), options.context_tokens);
  return {};
}

}  // namespace

DeviceRateFacts measure_device(device::Device& device, const DeviceQuestion& question) {
  DeviceRateFacts rates{.device = device.name()};
  auto done = measure_copies(device, question, rates);
  if (done) done = measure_shape(device, question, rates);
  if (!done) rates.problem = done.error().text();
  return rates;
}

Result<PeerCopyFacts> measure_peer_copy(device::Device& from, device::Device& to,
                                        std::size_t num_bytes) {
  const auto sent = TRY(from.allocate(num_bytes, device::Place::kHost));
  const auto source = TRY(from.allocate(num_bytes, device::Place::kDevice));
  const auto target = TRY(to.allocate(num_bytes, device::Place::kDevice));
  const auto returned = TRY(to.allocate(num_bytes, device::Place::kHost));
  fill(sent, 2);
  const auto from_stream = TRY(from.create_stream());
  from_stream->copy_to_device(source.data(), sent.data(), num_bytes);
  TRY(from_stream->synchronize());
  double seconds = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    const auto start = Clock::now();
    TRY(device::copy_between(from, source.data(), to, target.data(), num_bytes));
    seconds = std::min(seconds, seconds_since(start));
  }
  const auto to_stream = TRY(to.create_stream());
  to_stream->copy_to_host(returned.data(), target.data(), num_bytes);
  TRY(to_stream->synchronize());
  return PeerCopyFacts{.gb_per_s = gb_per_s(num_bytes, seconds),
                       .data_equal = are_equal(sent, returned)};
}

}  // namespace fathom::diagnose
