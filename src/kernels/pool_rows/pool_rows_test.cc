// pool_rows has its reference's bits, in one call or in many.
#include "kernels/pool_rows/pool_rows.h"

#include <algorithm>
#include <cstring>

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class PoolRowsTest : public KernelTest {
 protected:
  // Rows [first, first + count).
  static Array rows_of(const Array& x, std::int64_t first, std::int64_t count) {
    const std::int64_t hidden = x.view().shape[1];
    Array part(x.view().dtype, {count, hidden});
    std::memcpy(part.view().data,
                static_cast<const std::byte*>(x.view().data) +
                    static_cast<std::size_t>(first * hidden) * tensor::size_bytes(x.view().dtype),
                part.view().num_bytes());
    return part;
  }

  // One case of one type, on one device: in one call, then in many.
  void expect_reference_bits(DType dtype, device::Stream& stream) {
    const std::int64_t rows = between(20, 90);
    const std::int64_t hidden = between(1, 1300);
    const Array x = normal(dtype, {rows, hidden}, 10.0F);
    std::vector<std::int32_t> slots;
    for (std::int64_t i = 0; i < rows; ++i) {
      slots.push_back(static_cast<std::int32_t>(between(-1, 3)));  // 3 is outside, too
    }
    const Array start = normal(DType::kF32, {3, hidden});
    const Array expected = copy_of(start);
    const Array slot_array = ints(slots);
    pool_rows_reference({.x = x, .slots = slot_array, .y = expected});

    const Array whole = copy_of(start);
    OnDevice on(stream);
    pool_rows({.x = on(x), .slots = on(slot_array), .y = on(whole)}, stream);
    on.finish();
    expect_equal_bits(whole, expected);

    const Array parts = copy_of(start);
    for (std::int64_t first = 0; first < rows;) {
      const std::int64_t count = between(1, rows - first);
      const Array part = rows_of(x, first, count);
      const Array part_slots = ints({slots.begin() + first, slots.begin() + first + count});
      OnDevice on_part(stream);
      pool_rows({.x = on_part(part), .slots = on_part(part_slots), .y = on_part(parts)}, stream);
      on_part.finish();
      first += count;
    }
    expect_equal_bits(parts, expected);
  }
};

TEST_F(PoolRowsTest, BitsAreTheReferencesHoweverRowsAreCut) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for_each_device([&](device::Stream& stream) { expect_reference_bits(dtype, stream); });
  }
}

TEST_F(PoolRowsTest, BitsAreTheReferencesInF16) {
  for_the_gpu([&](device::Stream& stream) { expect_reference_bits(DType::kF16, stream); });
}

TEST_F(PoolRowsTest, ClearsTheNamedRowsAlone) {
  const Array slots = ints({1, -1, 3});
  for_each_device([&](device::Stream& stream) {
    const std::int64_t hidden = between(1, 600);
    Array y = normal(DType::kF32, {3, hidden});
    std::vector<float> before;
    for (std::int64_t i = 0; i < y.size(); ++i) before.push_back(y[i]);
    OnDevice on(stream);
    clear_pools({.slots = on(slots), .y = on(y)}, stream);
    on.finish();
    for (std::int64_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(y[i], i / hidden == 1 ? 0.0F : before[static_cast<std::size_t>(i)]);
    }
  });
}

}  // namespace
}  // namespace fathom::kernels
