// Shapes as numbers and text.
#include "tensor/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked.h"

namespace fathom::tensor {

std::int64_t Shape::num_elements() const {
  std::int64_t count = 1;
  for (const std::int64_t dim : dims()) {
    const auto product = base::checked_mul(count, dim);
    CHECK(product.has_value(), "the shape {} overflows 64 bits", text());
    count = *product;
  }
  return count;
}

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(dims(), ", ")); }

MutableView MutableView::first_rows(std::int64_t rows) const {
  CHECK(shape.rank() >= 1 && rows >= 0 && rows <= shape[0], "{} rows of {}", rows, shape.text());
  std::array<std::int64_t, kMaxRank> dims{};
  for (int axis = 0; axis < shape.rank(); ++axis)
    dims[static_cast<std::size_t>(axis)] = shape[axis];
  dims[0] = rows;
  return {data, dtype, Shape(std::span(dims.data(), static_cast<std::size_t>(shape.rank())))};
}

}  // namespace fathom::tensor
