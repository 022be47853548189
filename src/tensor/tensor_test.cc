// Conversions of all 16-bit patterns, shapes.
#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fathom::tensor {
namespace {

TEST(BFloat16, RoundTripsEveryPattern) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const BFloat16 value{static_cast<std::uint16_t>(bits)};
    const float wide = to_float(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(wide))));
    } else {
      EXPECT_EQ(to_bfloat16(wide).bits, value.bits);
    }
  }
}

TEST(BFloat16, RoundsTiesToEven) {
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F808000U)).bits, 0x3F80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F818000U)).bits, 0x3F82);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F808001U)).bits, 0x3F81);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()).bits, 0x7F80);
}

TEST(Float16, RoundTripsEveryPattern) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const Float16 value{static_cast<std::uint16_t>(bits)};
    const float wide = to_float(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(to_float(to_float16(wide))));
    } else {
      EXPECT_EQ(to_float16(wide).bits, value.bits) << bits;
    }
  }
}

TEST(Float8E4M3, RoundTripsEveryPattern) {
  for (std::uint32_t bits = 0; bits <= 0xFF; ++bits) {
    const Float8E4M3 value{static_cast<std::uint8_t>(bits)};
    const float wide = to_float(value);
    if (std::isnan(wide)) {
      EXPECT_EQ(bits & 0x7FU, 0x7FU);
      EXPECT_TRUE(std::isnan(to_float(to_float8_e4m3(wide))));
    } else {
      EXPECT_EQ(to_float8_e4m3(wide).bits, value.bits) << bits;
    }
  }
}

TEST(Float8E4M3, RoundsToTheNearestAndSaturates) {
  // Every value between two neighbours goes to the nearer one, the middle to the even one.
  for (std::uint32_t bits = 0; bits < 0x7E; ++bits) {
    const float low = to_float(Float8E4M3{static_cast<std::uint8_t>(bits)});
    const float high = to_float(Float8E4M3{static_cast<std::uint8_t>(bits + 1)});
    const float middle = (low + high) / 2;
    EXPECT_EQ(to_float8_e4m3(std::nextafter(middle, low)).bits, bits);
    EXPECT_EQ(to_float8_e4m3(std::nextafter(middle, high)).bits, bits + 1);
    EXPECT_EQ(to_float8_e4m3(middle).bits % 2, 0);
    EXPECT_EQ(to_float8_e4m3(-middle).bits, to_float8_e4m3(middle).bits | 0x80U);
  }
  EXPECT_EQ(to_float8_e4m3(1e9F).bits, 0x7E);
  EXPECT_EQ(to_float8_e4m3(-1e9F).bits, 0xFE);
}

TEST(Float16, RoundsAndSaturates) {
  EXPECT_EQ(to_float16(65504.0F).bits, 0x7BFF);
  EXPECT_EQ(to_float16(65519.0F).bits, 0x7BFF);
  EXPECT_EQ(to_float16(65520.0F).bits, 0x7C00);
  EXPECT_EQ(to_float16(1.0F + 0x1.0p-11F).bits, 0x3C00);
  EXPECT_EQ(to_float16(1.0F + 0x1.8p-10F).bits, 0x3C02);
  EXPECT_EQ(to_float16(0x1.0p-25F).bits, 0x0000);
  EXPECT_EQ(to_float16(0x1.8p-24F).bits, 0x0002);
  EXPECT_EQ(to_float16(-0.0F).bits, 0x8000);
}

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ((Shape{2, 3, 4}).num_elements(), 24);
  EXPECT_EQ((Shape{}).num_elements(), 1);
  EXPECT_EQ((Shape{5, 0}).num_elements(), 0);
  EXPECT_EQ((Shape{2, 3}).text(), "[2, 3]");
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
}

TEST(MutableView, TakesItsFirstRows) {
  float data[6] = {};
  const MutableView view{data, DType::kF32, {3, 2}};
  EXPECT_EQ(view.first_rows(2).shape, (Shape{2, 2}));
  EXPECT_EQ(view.num_bytes(), 24U);
}

}  // namespace
}  // namespace fathom::tensor
