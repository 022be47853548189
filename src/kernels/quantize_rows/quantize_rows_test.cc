// quantize_rows has its reference's bits, and the reference keeps what it promises.
#include "kernels/quantize_rows/quantize_rows.h"

#include <array>
#include <cstddef>

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class QuantizeRowsTest : public KernelTest {
 protected:
  void expect_reference_bits(const Array& x) {
    const tensor::Shape& shape = x.view().shape;
    const Array expected(DType::kF8E4M3, shape);
    const Array expected_scales(DType::kF32, {shape[0]});
    quantize_rows_reference({.x = x, .y = expected, .scales = expected_scales});
    for_each_device([&](device::Stream& stream) {
      const Array y = normal(DType::kF8E4M3, shape);
      const Array scales = normal(DType::kF32, {shape[0]});
      OnDevice on(stream);
      quantize_rows({.x = on(x), .y = on(y), .scales = on(scales)}, stream);
      on.finish();
      expect_equal_bits(y, expected);
      expect_equal_bits(scales, expected_scales);
    });
  }
};

TEST_F(QuantizeRowsTest, BitsAreTheReferences) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    // Of each path: a few elements a thread, several octets a thread, rows that no block holds.
    for (const std::int64_t width : {between(1, 300), 8 * between(1, 60), std::int64_t{4096},
                                     std::int64_t{11008}, std::int64_t{20488}}) {
      expect_reference_bits(normal(dtype, {between(0, 4), width}, 3.0F));
    }
  }
}

TEST_F(QuantizeRowsTest, ErrorIsHalfAStep) {
  const Array x = normal(DType::kF32, {3, 100}, 7.0F);
  const Array y(DType::kF8E4M3, {3, 100});
  const Array scales(DType::kF32, {3});
  quantize_rows_reference({.x = x, .y = y, .scales = scales});
  for (std::int64_t row = 0; row < 3; ++row) {
    float greatest = 0;
    for (std::int64_t i = row * 100; i < row * 100 + 100; ++i) {
      greatest = std::max(greatest, std::abs(y[i]));
      ASSERT_NEAR(y[i] * scales[row], x[i],
                  0x1.0p-4F * 1.0001F * std::abs(x[i]) + 0x1.0p-10F * scales[row]);
    }
    EXPECT_EQ(greatest, 448.0F);
  }
}

TEST_F(QuantizeRowsTest, RowsWithoutAScaleAreZeros) {
  for (const std::int64_t width : {13, 64}) {
    Array x(DType::kF32, {3, width});
    std::vector<float> values(static_cast<std::size_t>(3 * width));
    values[1] = -0.0F;
    values[static_cast<std::size_t>(width)] = 0x1.0p-149F;      // too small to have a scale
    values[static_cast<std::size_t>(2 * width)] = 0x1.0p-138F;  // its scale is rounded much
    values[static_cast<std::size_t>(2 * width) + 1] = -0x1.0p-139F;
    x.set_all(values);
    const Array y(DType::kF8E4M3, {3, width});
    const Array scales(DType::kF32, {3});
    quantize_rows_reference({.x = x, .y = y, .scales = scales});
    EXPECT_EQ(scales[0], 0.0F);
    EXPECT_EQ(scales[1], 0.0F);
    for (std::int64_t i = 0; i < 2 * width; ++i) EXPECT_EQ(y[i], 0.0F);
    expect_reference_bits(x);
  }
}

TEST_F(QuantizeRowsTest, HugeAndTinyRowsAreExactToo) {
  for (const std::int64_t width : {13, 64}) {
    for (const float unit : {0x1.0p-120F, 0x1.0p-90F, 0x1.0p-80F, 0x1.0p80F, 0x1.0p100F}) {
      const Array x = normal(DType::kF32, {3, width});
      for (std::int64_t i = 0; i < x.size(); ++i) set(x.view(), i, x[i] * unit);
      expect_reference_bits(x);
    }
  }
}

TEST_F(QuantizeRowsTest, BesideInfinityAllIsZero) {
  for (const std::int64_t width : {13, 64}) {
    Array x = normal(DType::kBF16, {1, width});
    x.set_all({INFINITY});
    for_each_device([&](device::Stream& stream) {
      const Array y = normal(DType::kF8E4M3, {1, width});
      const Array scales(DType::kF32, {1});
      OnDevice on(stream);
      quantize_rows({.x = on(x), .y = on(y), .scales = on(scales)}, stream);
      on.finish();
      EXPECT_TRUE(std::isinf(scales[0]));
      EXPECT_TRUE(std::isnan(y[0]));
      for (std::int64_t i = 1; i < width; ++i) EXPECT_EQ(y[i], 0.0F);
    });
  }
}

TEST_F(QuantizeRowsTest, ANaNStaysOneAndLeavesTheOthers) {
  for (const std::int64_t width : {13, 64}) {
    Array x = normal(DType::kBF16, {2, width});
    x.set_all({NAN, 3.0F});
    for_each_device([&](device::Stream& stream) {
      const Array y(DType::kF8E4M3, {2, width});
      const Array scales(DType::kF32, {2});
      OnDevice on(stream);
      quantize_rows({.x = on(x), .y = on(y), .scales = on(scales)}, stream);
      on.finish();
      EXPECT_TRUE(std::isnan(y[0]));
      for (std::int64_t i = 1; i < 2 * width; ++i) EXPECT_FALSE(std::isnan(y[i]));
    });
  }
}

TEST_F(QuantizeRowsTest, OddStartsAreRefused) {
  alignas(16) std::array<std::byte, 32> bytes{};
  check_aligned("here", {{bytes.data(), DType::kBF16, {1, 8}}, {}});
  EXPECT_DEATH(check_aligned("here", {{bytes.data() + 2, DType::kBF16, {1, 8}}}),
               "not at a multiple of 16 bytes");
}

}  // namespace
}  // namespace fathom::kernels
