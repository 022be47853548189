// rms_norm against its reference.
#include "kernels/rms_norm/rms_norm.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class RmsNormTest : public KernelTest {
 protected:
  struct Case {
    DType weight_dtype = DType::kF32;
    DType y_dtype = DType::kF32;
    std::int64_t tokens = 1;
    std::int64_t hidden = 1;
  };

  // Makes the arrays, and calls for_devices(test).
  template <typename F>
  void expect_reference(const Case& c, F&& for_devices) {
    const Array x = normal(DType::kF32, {c.tokens, c.hidden}, 3.0F);
    const Array weight = normal(c.weight_dtype, {c.hidden});
    const Array expected(c.y_dtype, {c.tokens, c.hidden});
    const Array expected_scales(DType::kF32, {c.tokens});
    rms_norm_reference(
        {.x = x, .weight = weight, .y = expected, .y_scales = expected_scales, .epsilon = 1e-5F});
    for_devices([&](device::Stream& stream) {
      const Array y(c.y_dtype, {c.tokens, c.hidden});
      const Array scales(DType::kF32, {c.tokens});
      OnDevice on(stream);
      rms_norm(
          {.x = on(x), .weight = on(weight), .y = on(y), .y_scales = on(scales), .epsilon = 1e-5F},
          stream);
      on.finish();
      expect_near(y, expected, 1e-5F, 1e-6F);
      expect_near(scales, expected_scales, 1e-5F, 0.0F);
    });
  }

  static constexpr auto kEachDevice = [](auto&& test) { for_each_device(test); };
  static constexpr auto kTheGpu = [](auto&& test) { for_the_gpu(test); };
};

TEST_F(RmsNormTest, MatchesTheReference) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const DType weight_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      for (const std::int64_t hidden : {between(1, 300), 8 * between(1, 40)}) {
        expect_reference({weight_dtype, dtype, between(0, 5), hidden}, kEachDevice);
      }
    }
  }
}

TEST_F(RmsNormTest, MatchesTheReferenceInWideRows) {
  // One octet a thread, two, and rows that no block holds.
  for (const std::int64_t hidden : {3584, 4096, 5120, 16384, 16392}) {
    expect_reference({DType::kBF16, DType::kBF16, 3, hidden}, kEachDevice);
  }
}

TEST_F(RmsNormTest, MatchesTheReferenceInTypesOfTheGpu) {
  if (gpu() == nullptr) GTEST_SKIP() << "no GPU";
  for (const DType y : {DType::kF16, DType::kF8E4M3}) {
    for (const std::int64_t hidden : {between(1, 300), 8 * between(1, 40), std::int64_t{4096},
                                      std::int64_t{5120}, std::int64_t{16392}}) {
      expect_reference({DType::kF16, y, between(0, 4), hidden}, kTheGpu);
    }
  }
}

TEST_F(RmsNormTest, EpsilonKeepsZerosFinite) {
  for (const std::int64_t hidden : {33, 64}) {
    for_each_device([&](device::Stream& stream) {
      const Array x(DType::kF32, {1, hidden});
      const Array weight = normal(DType::kF32, {hidden});
      const Array y = normal(DType::kF32, {1, hidden});
      OnDevice on(stream);
      rms_norm({.x = on(x), .weight = on(weight), .y = on(y)}, stream);
      on.finish();
      for (std::int64_t i = 0; i < hidden; ++i) EXPECT_EQ(y[i], 0.0F);
    });
  }
}

}  // namespace
}  // namespace fathom::kernels
