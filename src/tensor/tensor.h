// Shapes, and views of row-major contiguous arrays in host or device memory. Views own nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/check.h"
#include "tensor/dtype.h"

namespace fathom::tensor {

inline constexpr int kMaxRank = 8;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    CHECK(dims.size() <= kMaxRank, "rank {} is over {}", dims.size(), kMaxRank);
    for (std::size_t i = 0; i < dims.size(); ++i) dims_[i] = dims[i];
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  std::span<const std::int64_t> dims() const {
    return {dims_.data(), static_cast<std::size_t>(rank_)};
  }
  // Product of the dimensions; 1 for rank 0.
  std::int64_t num_elements() const;
  // "[2, 3]".
  std::string text() const;

  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// A read-only array.
struct View {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  bool empty() const { return data == nullptr; }
  std::size_t num_bytes() const {
    return static_cast<std::size_t>(shape.num_elements()) * size_bytes(dtype);
  }
  template <typename T>
  const T* as() const {
    CHECK(dtype == dtype_of<T>(), "a view of {} read as {}", name(dtype), name(dtype_of<T>()));
    return static_cast<const T*>(data);
  }
};

// A writable array.
struct MutableView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  bool empty() const { return data == nullptr; }
  std::size_t num_bytes() const {
    return static_cast<std::size_t>(shape.num_elements()) * size_bytes(dtype);
  }
  template <typename T>
  T* as() const {
    CHECK(dtype == dtype_of<T>(), "a view of {} written as {}", name(dtype), name(dtype_of<T>()));
    return static_cast<T*>(data);
  }
  // NOLINTNEXTLINE(google-explicit-constructor): what can be written can be read
  operator View() const { return {data, dtype, shape}; }

  // The first `rows` rows of the first axis.
  MutableView first_rows(std::int64_t rows) const;
};

}  // namespace fathom::tensor
