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
  token_logprobs_reference(
      {.logits = logits, .num_valid_tokens = 999, .targets = targets, .y = expected});
  EXPECT_EQ(expected[3], -std::numeric_limits<float>::infinity());
  for_each_device([&](device::Stream& stream) {
    const Array y(DType::kF32, {5});
    OnDevice on(stream);
    token_logprobs(
        {.logits = on(logits), .num_valid_tokens = 999, .targets = on(targets), .y = on(y)},
        stream);
    on.finish();
    for (std::int64_t i = 0; i < 3; ++i) EXPECT_NEAR(y[i], expected[i], 1e-5);
    EXPECT_EQ(y[3], expected[3]);
    EXPECT_EQ(y[4], expected[4]);
  });
}

TEST_F(TokenLogprobsTest, ScoresWholeVocabularies) {
  for (const std::int64_t vocab : {102'400, 152'063}) {
    constexpr std::int64_t kRows = 6;
    Array logits = normal(DType::kF32, {kRows, vocab}, 3.0F);
    const std::int64_t valid = vocab - 63;
    std::vector<std::int32_t> targets;
    for (std::int64_t row = 0; row < kRows; ++row) {
      targets.push_back(static_cast<std::int32_t>(between(0, valid - 1)));
      for (std::int64_t i = valid; i < vocab; ++i) set(logits, row * vocab + i, 90.0F);
      // One row of equal logits, one that is a spike.
      for (std::int64_t i = 0; row < 2 && i < valid; ++i) set(logits, row * vocab + i, 2.5F);
    }
    set(logits, vocab + targets[1], 60.0F);
    const Array target_array = ints(targets);
    const Array expected(DType::kF32, {kRows});
    token_logprobs_reference(
        {.logits = logits, .num_valid_tokens = valid, .targets = target_array, .y = expected});
    for_each_device([&](device::Stream& stream) {
      const Array y(DType::kF32, {kRows});
      OnDevice on(stream);
      token_logprobs({.logits = on(logits),
                      .num_valid_tokens = valid,
                      .targets = on(target_array),
                      .y = on(y)},
                     stream);
      on.finish();
      expect_near(y, expected, 0.0F, 1e-5F);
    });
  }
}

}  // namespace
}  // namespace fathom::kernels
