// ArrayLayout: arrays one after the other in one allocation, each at a multiple of an alignment.
#pragma once

#include <cstdint>

#include "base/checked.h"
#include "tensor/tensor.h"

namespace fathom::footprint {

// An array, by its place in an allocation.
struct PlacedArray {
  tensor::DType dtype = tensor::DType::kF32;
  tensor::Shape shape{0};
  std::int64_t offset_bytes = 0;

  std::int64_t num_bytes() const {
    return shape.num_elements() * static_cast<std::int64_t>(tensor::size_bytes(dtype));
  }
};

class ArrayLayout {
 public:
  explicit ArrayLayout(std::int64_t alignment_bytes) : alignment_bytes_(alignment_bytes) {}

  // The offset of the next array.
  std::int64_t place(std::int64_t num_bytes) {
    const std::int64_t offset = end_bytes_;
    end_bytes_ += base::ceil_div(num_bytes, alignment_bytes_) * alignment_bytes_;
    return offset;
  }
  PlacedArray place(tensor::DType dtype, const tensor::Shape& shape) {
    PlacedArray array{.dtype = dtype, .shape = shape};
    array.offset_bytes = place(array.num_bytes());
    return array;
  }
  std::int64_t end_bytes() const { return end_bytes_; }

 private:
  std::int64_t alignment_bytes_;
  std::int64_t end_bytes_ = 0;
};

}  // namespace fathom::footprint
