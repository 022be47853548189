// Random arrays, devices of every instruction set, and comparisons for the kernels' tests.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "base/check.h"
#include "device/cpu_device.h"
#include "kernels/element.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

// An array that owns its elements.
class Array {
 public:
  Array(tensor::DType dtype, tensor::Shape shape)
      : view_{nullptr, dtype, shape},
        // Never empty, and off by one element from any wide alignment.
        bytes_(view_.num_bytes() + 64) {
    view_.data = bytes_.data() + tensor::size_bytes(dtype);
  }
  Array(Array&&) = default;
  Array(const Array& other) : Array(other.view_.dtype, other.view_.shape) {
    std::copy_n(static_cast<const std::byte*>(other.view_.data), view_.num_bytes(),
                static_cast<std::byte*>(view_.data));
  }
  Array& operator=(Array&&) = default;

  // NOLINTNEXTLINE(google-explicit-constructor): an array is its view
  operator tensor::MutableView() const { return view_; }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator tensor::View() const { return view_; }
  const tensor::MutableView& view() const { return view_; }
  std::int64_t size() const { return view_.shape.num_elements(); }
  float operator[](std::int64_t i) const { return get(view_, i); }
  void set_all(const std::vector<float>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      set(view_, static_cast<std::int64_t>(i), values[i]);
    }
  }
  void set_ints(const std::vector<std::int32_t>& values) {
    std::copy(values.begin(), values.end(), view_.as<std::int32_t>());
  }

 private:
  tensor::MutableView view_;
  std::vector<std::byte> bytes_;
};

inline Array ints(const std::vector<std::int32_t>& values) {
  Array array(tensor::DType::kI32, {std::ssize(values)});
  array.set_ints(values);
  return array;
}

// What an operation changes in place starts as such a copy.
inline Array copy_of(const Array& array) { return array; }

// The first GPU, or null; says once that there is none, so that nobody takes silence for a pass.
inline device::Device* gpu() {
  static const auto opened = [] {
    auto device = device::open_device("cuda");
    if (!device) std::fprintf(stderr, "GPU tests skipped: %s\n", device.error().message.c_str());
    return device;
  }();
  return opened ? opened->get() : nullptr;
}

// Arrays as an operation on the stream's device sees them: themselves on the CPU, copies on a GPU.
//   OnDevice on(stream);
//   silu_mul({.gate_up = on(gate_up), .y = on(y)}, stream);
//   on.finish();
class OnDevice {
 public:
  explicit OnDevice(device::Stream& stream) : stream_(stream) {}

  // The same array gives the same copy each time.
  tensor::MutableView operator()(const Array& array) {
    const tensor::MutableView& view = array.view();
    if (stream_.device().kind() == device::DeviceKind::kCpu || view.num_bytes() == 0) return view;
    for (const Copy& copy : copies_) {
      if (copy.host.data == view.data) return {copy.buffer.data(), view.dtype, view.shape};
    }
    auto buffer = stream_.device().allocate(view.num_bytes());
    CHECK(buffer.has_value(), "{}", buffer.error().text());
    copies_.push_back({view, *std::move(buffer)});
    stream_.copy_to_device(copies_.back().buffer.data(), view.data, view.num_bytes());
    return {copies_.back().buffer.data(), view.dtype, view.shape};
  }
  // Waits, and brings back what the operations wrote.
  void finish() {
    for (const Copy& copy : copies_) {
      stream_.copy_to_host(copy.host.data, copy.buffer.data(), copy.host.num_bytes());
    }
    const auto waited = stream_.synchronize();
    ASSERT_TRUE(waited) << waited.error().text();
  }

 private:
  struct Copy {
    tensor::MutableView host;
    device::Buffer buffer;
  };
  device::Stream& stream_;
  std::vector<Copy> copies_;
};

// Fresh numbers on each run; the seed is in the failure's trace.
class KernelTest : public ::testing::Test {
 protected:
  KernelTest()
      : seed_(std::random_device{}()), random_(seed_), trace_(__FILE__, __LINE__, text()) {}

  Array normal(tensor::DType dtype, tensor::Shape shape, float scale = 1.0F) {
    Array array(dtype, shape);
    std::normal_distribution<float> values(0.0F, scale);
    for (std::int64_t i = 0; i < array.size(); ++i) set(array, i, values(random_));
    return array;
  }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  // Calls test(stream, name) for each instruction set of this machine with 1 and with 3 threads.
  template <typename F>
  static void for_each_variant(F&& test) {
    for (const device::CpuIsa isa : device::usable_isas()) {
      for (const int num_threads : {1, 3}) {
        device::CpuDevice device(isa, num_threads);
        auto stream = device.create_stream();
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, device.name());
        test(**stream);
      }
    }
  }

  // The same, and on the GPU where there is one: for operations that have a CUDA kernel. Arrays
  // must go through OnDevice.
  template <typename F>
  static void for_each_device(F&& test) {
    for_each_variant(test);
    if (gpu() == nullptr) return;
    auto stream = gpu()->create_stream();
    ASSERT_TRUE(stream) << stream.error().text();
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, gpu()->name());
    test(**stream);
  }
  // Only on the GPU: for types that the CPU's kernels do not have.
  template <typename F>
  static void for_the_gpu(F&& test) {
    if (gpu() == nullptr) GTEST_SKIP() << "no GPU";
    auto stream = gpu()->create_stream();
    ASSERT_TRUE(stream) << stream.error().text();
    test(**stream);
  }

  // |a - b| <= relative * |b| + absolute, and narrow arrays may differ by their rounding.
  static void expect_near(const Array& a, const Array& b, float relative, float absolute) {
    ASSERT_EQ(a.view().shape, b.view().shape);
    if (b.view().dtype == tensor::DType::kBF16) relative += 0x1.0p-7F;
    if (b.view().dtype == tensor::DType::kF16) {
      relative += 0x1.0p-10F;
      absolute += 0x1.0p-24F;
    }
    if (b.view().dtype == tensor::DType::kF8E4M3) {
      relative += 0x1.0p-3F;
      absolute += 0x1.0p-9F;
    }
    for (std::int64_t i = 0; i < a.size(); ++i) {
      ASSERT_LE(std::abs(a[i] - b[i]), relative * std::abs(b[i]) + absolute)
          << "element " << i << ": " << a[i] << " and " << b[i];
    }
  }
  static void expect_equal_bits(const Array& a, const Array& b) {
    ASSERT_EQ(a.view().num_bytes(), b.view().num_bytes());
    EXPECT_EQ(std::memcmp(a.view().data, b.view().data, a.view().num_bytes()), 0);
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;

 private:
  std::string text() const { return "seed " + std::to_string(seed_); }
  ::testing::ScopedTrace trace_;
};

}  // namespace fathom::kernels
