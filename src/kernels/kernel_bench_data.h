// What the kernels' benchmarks share: arrays, measured limits, and the rates they report.
//
// Neighbours on the machine make single times noisy, so a rate is that of the fastest call, and
// its limit the best of measurements taken just before and just after.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "device/cpu_device.h"
#include "kernels/element.h"
#include "kernels/read_sum/read_sum.h"
#include "kernels/simd/measured_peak.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

template <typename F>
double seconds_of(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A device of one instruction set with all threads, and arrays in its memory.
class Bench {
 public:
  explicit Bench(device::CpuIsa isa) : device_(isa, 0), stream_(*device_.create_stream()) {}

  device::CpuDevice& device() { return device_; }
  device::Stream& stream() { return *stream_; }

  tensor::MutableView zeros(tensor::DType dtype, tensor::Shape shape) {
    tensor::MutableView view{nullptr, dtype, shape};
    auto buffer = device_.allocate(view.num_bytes(), device::Place::kDevice);
    CHECK(buffer.has_value(), "{}", buffer.error().message);
    view.data = buffer->data();
    buffers_.push_back(*std::move(buffer));
    return view;
  }
  // A repeated run of random numbers in [-1, 1): drawing each would take longer than measuring.
  tensor::MutableView random(tensor::DType dtype, tensor::Shape shape) {
    const tensor::MutableView view = zeros(dtype, shape);
    std::uniform_real_distribution<float> values(-1.0F, 1.0F);
    const std::int64_t count = shape.num_elements();
    const std::int64_t run = std::min<std::int64_t>(count, 65'537);
    for (std::int64_t i = 0; i < run; ++i) set(view, i, values(engine_));
    const std::size_t run_bytes = static_cast<std::size_t>(run) * tensor::size_bytes(dtype);
    auto* bytes = static_cast<std::byte*>(view.data);
    for (std::size_t at = run_bytes; at < view.num_bytes(); at += run_bytes) {
      std::copy_n(bytes, std::min(run_bytes, view.num_bytes() - at), bytes + at);
    }
    return view;
  }
  tensor::MutableView ints(const std::vector<std::int32_t>& values) {
    const tensor::MutableView view = zeros(tensor::DType::kI32, {std::ssize(values)});
    std::ranges::copy(values, view.as<std::int32_t>());
    return view;
  }
  std::vector<std::int32_t> random_ints(std::int64_t count, std::int32_t limit) {
    std::vector<std::int32_t> values(static_cast<std::size_t>(count));
    std::uniform_int_distribution<std::int32_t> each(0, limit - 1);
    for (std::int32_t& value : values) value = each(engine_);
    return values;
  }

  // Bytes per second of all threads reading 256 MiB once: the limit of whatever streams from
  // memory.
  double read_bandwidth() {
    if (stream_source_.empty()) {
      stream_source_ = random(tensor::DType::kF32, {std::int64_t{1} << 26});
      stream_source_.dtype = tensor::DType::kI64;
      stream_source_.shape = {std::int64_t{1} << 25};
      stream_sum_ = zeros(tensor::DType::kI64, {1});
    }
    return best_rate(static_cast<double>(stream_source_.num_bytes()),
                     [&] { read_sum({.x = stream_source_, .y = stream_sum_}, stream()); });
  }
  // FLOP per second of all threads doing multiply-adds on registers.
  double peak_flops(bool bf16_pairs) {
    const PeakLoop loop = peak_loop(device_.isa(), bf16_pairs);
    const std::int64_t num_tasks = 8 * device_.pool().num_threads();
    constexpr std::int64_t kRounds = 50'000;
    float sink = 0;
    const double task_flop = loop(1, &sink) * kRounds;
    return best_rate(task_flop * static_cast<double>(num_tasks), [&] {
      device_.pool().parallel_for(num_tasks, [&](std::int64_t) {
        float own = 0;
        loop(kRounds, &own);
        if (own == 1) std::puts("");  // keeps the loop from being left out
      });
    });
  }

 private:
  template <typename F>
  static double best_rate(double work, F&& f) {
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 6; ++i) best = std::min(best, seconds_of(f));
    return work / best;
  }

  device::CpuDevice device_;
  std::unique_ptr<device::Stream> stream_;
  std::vector<device::Buffer> buffers_;
  tensor::MutableView stream_source_;
  tensor::MutableView stream_sum_;
  std::mt19937 engine_{1};
};

// Calls add(title, isa, type) for each instruction set of this machine and each type; it returns a
// registered benchmark.
template <typename F>
bool for_each_case(std::string_view what, std::initializer_list<tensor::DType> types, F&& add) {
  for (const device::CpuIsa isa : device::usable_isas()) {
    for (const tensor::DType type : types) {
      const std::string title =
          fmt::format("{}/{}/{}", what, tensor::name(type), device::name(isa));
      add(title.c_str(), isa, type)->UseRealTime()->MinTime(0.1);
    }
  }
  return true;
}

// Runs step() until `state` has enough and reports `work` per second of the fastest call. State is
// benchmark::State: only *_bench.cc files include the library.
template <typename State, typename Limit, typename Step>
void report(State& state, double work, Limit&& limit, Step&& step) {
  step();
  double limit_rate = limit();
  double best = std::numeric_limits<double>::infinity();
  for (auto _ : state) best = std::min(best, seconds_of(step));
  limit_rate = std::max(limit_rate, limit());
  state.counters["G_per_s"] = work / best * 1e-9;
  state.counters["limit_G_per_s"] = limit_rate * 1e-9;
  state.counters["percent_of_limit"] = 100.0 * work / best / limit_rate;
}

// The work is bytes, the limit what memory delivers.
template <typename State, typename Step>
void report_bytes(State& state, Bench& bench, double bytes, Step&& step) {
  report(state, bytes, [&] { return bench.read_bandwidth(); }, step);
}

// The work is FLOP, the limit the multiply-adds of the instruction set.
template <typename State, typename Step>
void report_flop(State& state, Bench& bench, bool bf16_pairs, double flop, Step&& step) {
  report(state, flop, [&] { return bench.peak_flops(bf16_pairs); }, step);
}

}  // namespace fathom::kernels
