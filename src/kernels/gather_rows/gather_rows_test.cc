// gather_rows is exact.
#include "kernels/gather_rows/gather_rows.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class GatherRowsTest : public KernelTest {};

TEST_F(GatherRowsTest, PicksRowsInAnyOrder) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const Array x = normal(dtype, {4, 7});
    const Array rows = ints({3, 0, 0, 9, -1});
    for_each_variant([&](device::Stream& stream) {
      Array y(dtype, {5, 7});
      gather_rows({.x = x, .rows = rows, .y = y}, stream);
      for (std::int64_t i = 0; i < 7; ++i) {
        EXPECT_EQ(y[i], x[3 * 7 + i]);
        EXPECT_EQ(y[7 + i], x[i]);
        EXPECT_EQ(y[14 + i], x[i]);
        EXPECT_EQ(y[21 + i], 0.0F);
        EXPECT_EQ(y[28 + i], 0.0F);
      }
    });
  }
}

}  // namespace
}  // namespace fathom::kernels
