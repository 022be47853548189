// silu_mul against its reference, far out too.
#include "kernels/silu_mul/silu_mul.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class SiluMulTest : public KernelTest {};

TEST_F(SiluMulTest, MatchesTheReference) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const float scale : {1.0F, 40.0F, 1e4F}) {
      const std::int64_t tokens = between(0, 5);
      const std::int64_t width = between(0, 1) == 0 ? between(1, 200) : 8 * between(1, 90);
      const Array gate_up = normal(dtype, {tokens, 2 * width}, scale);
      Array expected(dtype, {tokens, width});
      silu_mul_reference({.gate_up = gate_up, .y = expected});
      for_each_device([&](device::Stream& stream) {
        Array y(dtype, {tokens, width});
        OnDevice on(stream);
        silu_mul({.gate_up = on(gate_up), .y = on(y)}, stream);
        on.finish();
        expect_near(y, expected, 2e-6F, 1e-30F * scale * scale);
      });
    }
  }
}

TEST_F(SiluMulTest, MatchesTheReferenceInF16) {
  for_the_gpu([&](device::Stream& stream) {
    for (const std::int64_t width : {1, 8, 200, 11008}) {
      const Array gate_up = normal(DType::kF16, {3, 2 * width}, 3.0F);
      Array expected(DType::kF16, {3, width});
      silu_mul_reference({.gate_up = gate_up, .y = expected});
      Array y(DType::kF16, {3, width});
      OnDevice on(stream);
      silu_mul({.gate_up = on(gate_up), .y = on(y)}, stream);
      on.finish();
      expect_near(y, expected, 2e-6F, 0.0F);
    }
  });
}

TEST_F(SiluMulTest, MatchesTheReferenceInF8) {
  for_the_gpu([&](device::Stream& stream) {
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      // One octet a thread, several, and rows that no block holds; tails.
      for (const std::int64_t width : {1, 13, 8, 4096, 11008, 18944, 20488}) {
        const std::int64_t tokens = between(0, 3);
        const Array gate_up = normal(dtype, {tokens, 2 * width}, 3.0F);
        const Array expected(DType::kF8E4M3, {tokens, width});
        const Array expected_scales(DType::kF32, {tokens});
        silu_mul_reference({.gate_up = gate_up, .y = expected, .y_scales = expected_scales});
        const Array y(DType::kF8E4M3, {tokens, width});
        const Array scales(DType::kF32, {tokens});
        OnDevice on(stream);
        silu_mul({.gate_up = on(gate_up), .y = on(y), .y_scales = on(scales)}, stream);
        on.finish();
        expect_near(y, expected, 2e-6F, 0.0F);
        expect_near(scales, expected_scales, 1e-5F, 0.0F);
      }
    }
  });
}

}  // namespace
}  // namespace fathom::kernels
