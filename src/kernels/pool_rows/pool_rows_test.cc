// pool_rows has its reference's bits, in one call or in many.
#include "kernels/pool_rows/pool_rows.h"

#include <algorithm>
#include <cstring>

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class PoolRowsTest : public KernelTest {};

TEST_F(PoolRowsTest, BitsAreTheReferencesHoweverRowsAreCut) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const std::int64_t rows = between(20, 60);
    const std::int64_t hidden = between(1, 1300);
    const Array x = normal(dtype, {rows, hidden}, 10.0F);
    std::vector<std::int32_t> slots;
    for (std::int64_t i = 0; i < rows; ++i) {
      slots.push_back(static_cast<std::int32_t>(between(-1, 3)));  // 3 is outside, too
    }
    const Array start = normal(DType::kF32, {3, hidden});
    const Array expected = start;
    const Array slot_array = ints(slots);
    pool_rows_reference({.x = x, .slots = slot_array, .y = expected});
    for_each_variant([&](device::Stream& stream) {
      const Array whole = start;
      pool_rows({.x = x, .slots = slot_array, .y = whole}, stream);
      expect_equal_bits(whole, expected);
      const Array parts = start;
      for (std::int64_t first = 0; first < rows;) {
        const std::int64_t count = between(1, rows - first);
        Array part(dtype, {count, hidden});
        std::memcpy(part.view().data,
                    static_cast<const std::byte*>(x.view().data) +
                        static_cast<std::size_t>(first * hidden) * tensor::size_bytes(dtype),
                    part.view().num_bytes());
        const Array part_slots = ints({slots.begin() + first, slots.begin() + first + count});
        pool_rows({.x = part, .slots = part_slots, .y = parts}, stream);
        first += count;
      }
      expect_equal_bits(parts, expected);
    });
  }
}

TEST_F(PoolRowsTest, ClearsTheNamedRowsAlone) {
  const Array slots = ints({1, -1, 3});
  for_each_variant([&](device::Stream& stream) {
    const Array y = normal(DType::kF32, {3, 2});
    const Array before = y;
    clear_pools({.slots = slots, .y = y}, stream);
    for (std::int64_t i = 0; i < 6; ++i) EXPECT_EQ(y[i], i / 2 == 1 ? 0.0F : before[i]);
  });
}

}  // namespace
}  // namespace fathom::kernels
