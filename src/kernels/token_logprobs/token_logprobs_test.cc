// token_logprobs against its reference; padding columns do not count.
#include "kernels/token_logprobs/token_logprobs.h"

#include <limits>

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class TokenLogprobsTest : public KernelTest {};

TEST_F(TokenLogprobsTest, MatchesTheReference) {
  Array logits = normal(DType::kF32, {5, 1000}, 5.0F);
  for (std::int64_t row = 0; row < 5; ++row) set(logits, row * 1000 + 999, 500.0F);
  const Array targets = ints({0, 998, 7, 999, -1});
  Array expected(DType::kF32, {5});
  TokenLogprobsArgs args{
      .logits = logits, .num_valid_tokens = 999, .targets = targets, .y = expected};
  token_logprobs_reference(args);
  EXPECT_EQ(expected[3], -std::numeric_limits<float>::infinity());
  for_each_variant([&](device::Stream& stream) {
    Array y(DType::kF32, {5});
    args.y = y;
    token_logprobs(args, stream);
    for (std::int64_t i = 0; i < 3; ++i) EXPECT_NEAR(y[i], expected[i], 1e-5);
    EXPECT_EQ(y[3], expected[3]);
    EXPECT_EQ(y[4], expected[4]);
  });
}

}  // namespace
}  // namespace fathom::kernels
