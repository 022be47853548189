// gather_rows is exact.
#include "kernels/gather_rows/gather_rows.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class GatherRowsTest : public KernelTest {};

TEST_F(GatherRowsTest, PicksRowsInAnyOrder) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const std::int64_t width : {std::int64_t{7}, 8 * between(1, 20), std::int64_t{4096}}) {
      const Array x = normal(dtype, {4, width});
      const Array rows = ints({3, 0, 0, 9, -1});
      for_each_device([&](device::Stream& stream) {
        Array y = normal(dtype, {5, width});
        OnDevice on(stream);
        gather_rows({.x = on(x), .rows = on(rows), .y = on(y)}, stream);
        on.finish();
        for (std::int64_t i = 0; i < width; ++i) {
          ASSERT_EQ(y[i], x[3 * width + i]);
          ASSERT_EQ(y[width + i], x[i]);
          ASSERT_EQ(y[2 * width + i], x[i]);
          ASSERT_EQ(y[3 * width + i], 0.0F);
          ASSERT_EQ(y[4 * width + i], 0.0F);
        }
      });
    }
  }
}

TEST_F(GatherRowsTest, TakesNoRows) {
  const Array x = normal(DType::kBF16, {3, 8});
  const Array rows = ints({});
  for_each_device([&](device::Stream& stream) {
    Array y(DType::kBF16, {0, 8});
    OnDevice on(stream);
    gather_rows({.x = on(x), .rows = on(rows), .y = on(y)}, stream);
    on.finish();
  });
}

}  // namespace
}  // namespace fathom::kernels
