// Conversions between all pairs of floating-point types, from unaligned memory.
#include "tensor/convert.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace fathom::tensor {
namespace {

TEST(Convert, RoundsOnceBetweenAllTypes) {
  const std::vector<float> values = {0.0F, -1.5F, 3.14159F, 65504.0F, 1e-3F};
  std::vector<std::byte> unaligned(values.size() * sizeof(float) + 1);
  std::memcpy(unaligned.data() + 1, values.data(), values.size() * sizeof(float));
  const View source{unaligned.data() + 1, DType::kF32, {5}};
  std::vector<BFloat16> narrow(5);
  std::vector<Float16> half(5);
  std::vector<float> back(5);
  convert(source, {narrow.data(), DType::kBF16, {5}});
  convert(source, {half.data(), DType::kF16, {5}});
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(narrow[i].bits, to_bfloat16(values[i]).bits);
    EXPECT_EQ(half[i].bits, to_float16(values[i]).bits);
  }
  convert({half.data(), DType::kF16, {5}}, {back.data(), DType::kF32, {5}});
  EXPECT_EQ(back[3], 65504.0F);
  convert({narrow.data(), DType::kBF16, {5}}, {back.data(), DType::kF32, {5}});
  EXPECT_EQ(back[1], -1.5F);
}

}  // namespace
}  // namespace fathom::tensor
