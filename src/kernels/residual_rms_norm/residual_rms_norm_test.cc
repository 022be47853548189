// residual_rms_norm against its reference.
#include "kernels/residual_rms_norm/residual_rms_norm.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class ResidualRmsNormTest : public KernelTest {};

TEST_F(ResidualRmsNormTest, MatchesTheReference) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const DType weight_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      for (const bool has_delta : {false, true}) {
        const std::int64_t tokens = between(0, 5);
        const std::int64_t hidden = between(1, 300);
        const Array residual = normal(DType::kF32, {tokens, hidden}, 3.0F);
        const Array delta = normal(dtype, {tokens, hidden});
        const Array weight = normal(weight_dtype, {hidden});
        Array expected_residual = residual;
        Array expected(dtype, {tokens, hidden});
        ResidualRmsNormArgs args{.residual = expected_residual,
                                 .delta = has_delta ? tensor::View(delta) : tensor::View{},
                                 .weight = weight,
                                 .y = expected,
                                 .epsilon = 1e-5F};
        residual_rms_norm_reference(args);
        for_each_variant([&](device::Stream& stream) {
          Array changed = residual;
          Array y(dtype, {tokens, hidden});
          args.residual = changed;
          args.y = y;
          residual_rms_norm(args, stream);
          expect_equal_bits(changed, expected_residual);
          expect_near(y, expected, 1e-5F, 1e-6F);
        });
      }
    }
  }
}

TEST_F(ResidualRmsNormTest, EpsilonKeepsZerosFinite) {
  for_each_variant([&](device::Stream& stream) {
    const Array residual(DType::kF32, {1, 33});
    const Array weight = normal(DType::kF32, {33});
    Array y(DType::kF32, {1, 33});
    residual_rms_norm({.residual = residual, .weight = weight, .y = y}, stream);
    for (std::int64_t i = 0; i < 33; ++i) EXPECT_EQ(y[i], 0.0F);
  });
}

}  // namespace
}  // namespace fathom::kernels
