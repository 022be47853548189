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
      const std::int64_t width = between(1, 200);
      const Array gate_up = normal(dtype, {tokens, 2 * width}, scale);
      Array expected(dtype, {tokens, width});
      silu_mul_reference({.gate_up = gate_up, .y = expected});
      for_each_variant([&](device::Stream& stream) {
        Array y(dtype, {tokens, width});
        silu_mul({.gate_up = gate_up, .y = y}, stream);
        expect_near(y, expected, 2e-6F, 1e-30F * scale * scale);
      });
    }
  }
}

}  // namespace
}  // namespace fathom::kernels
