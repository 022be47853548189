// residual_rms_norm against its reference.
#include "kernels/residual_rms_norm/residual_rms_norm.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class ResidualRmsNormTest : public KernelTest {
 protected:
  struct Case {
    DType delta_dtype = DType::kF32;
    DType weight_dtype = DType::kF32;
    DType y_dtype = DType::kF32;
    bool has_delta = true;
    std::int64_t tokens = 1;
    std::int64_t hidden = 1;
  };

  // Makes the arrays, and calls for_devices(test).
  template <typename F>
  void expect_reference(const Case& c, F&& for_devices) {
    const Array residual = normal(DType::kF32, {c.tokens, c.hidden}, 3.0F);
    const Array delta = normal(c.delta_dtype, {c.tokens, c.hidden});
    const Array weight = normal(c.weight_dtype, {c.hidden});
    const Array expected_residual = copy_of(residual);
    const Array expected(c.y_dtype, {c.tokens, c.hidden});
    const Array expected_scales(DType::kF32, {c.tokens});
    residual_rms_norm_reference({.residual = expected_residual,
                                 .delta = c.has_delta ? tensor::View(delta) : tensor::View{},
                                 .weight = weight,
                                 .y = expected,
                                 .y_scales = expected_scales,
                                 .epsilon = 1e-5F});
    for_devices([&](device::Stream& stream) {
      const Array changed = copy_of(residual);
      const Array y(c.y_dtype, {c.tokens, c.hidden});
      const Array scales(DType::kF32, {c.tokens});
      OnDevice on(stream);
      residual_rms_norm({.residual = on(changed),
                         .delta = c.has_delta ? tensor::View(on(delta)) : tensor::View{},
                         .weight = on(weight),
                         .y = on(y),
                         .y_scales = on(scales),
                         .epsilon = 1e-5F},
                        stream);
      on.finish();
      expect_equal_bits(changed, expected_residual);
      expect_near(y, expected, 1e-5F, 1e-6F);
      expect_near(scales, expected_scales, 1e-5F, 0.0F);
    });
  }

  static constexpr auto kEachDevice = [](auto&& test) { for_each_device(test); };
  static constexpr auto kTheGpu = [](auto&& test) { for_the_gpu(test); };
};

TEST_F(ResidualRmsNormTest, MatchesTheReference) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const DType weight_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      for (const bool has_delta : {false, true}) {
        for (const std::int64_t hidden : {between(1, 300), 8 * between(1, 40)}) {
          expect_reference({dtype, weight_dtype, dtype, has_delta, between(0, 5), hidden},
                           kEachDevice);
        }
      }
    }
  }
}

TEST_F(ResidualRmsNormTest, MatchesTheReferenceInWideRows) {
  // One octet a thread, two, and rows that no block holds.
  for (const std::int64_t hidden : {3584, 4096, 5120, 16384, 16392}) {
    expect_reference({DType::kBF16, DType::kBF16, DType::kBF16, true, 3, hidden}, kEachDevice);
  }
}

TEST_F(ResidualRmsNormTest, MatchesTheReferenceInTypesOfTheGpu) {
  if (gpu() == nullptr) GTEST_SKIP() << "no GPU";
  for (const DType delta : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const DType y : {DType::kF16, DType::kF8E4M3}) {
      for (const std::int64_t hidden : {between(1, 300), 8 * between(1, 40), std::int64_t{4096},
                                        std::int64_t{5120}, std::int64_t{16392}}) {
        expect_reference({delta, DType::kF16, y, between(0, 1) == 0, between(0, 4), hidden},
                         kTheGpu);
      }
    }
  }
}

TEST_F(ResidualRmsNormTest, EpsilonKeepsZerosFinite) {
  for (const std::int64_t hidden : {33, 64}) {
    for_each_device([&](device::Stream& stream) {
      const Array residual(DType::kF32, {1, hidden});
      const Array weight = normal(DType::kF32, {hidden});
      const Array y = normal(DType::kF32, {1, hidden});
      OnDevice on(stream);
      residual_rms_norm({.residual = on(residual), .weight = on(weight), .y = on(y)}, stream);
      on.finish();
      for (std::int64_t i = 0; i < hidden; ++i) EXPECT_EQ(y[i], 0.0F);
    });
  }
}

}  // namespace
}  // namespace fathom::kernels
