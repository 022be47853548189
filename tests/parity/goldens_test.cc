// Whole models against reference outputs made with transformers, on the CPU.
#include "goldens_test_data.h"

namespace fathom {
namespace {

TEST_P(GoldensTest, Fp32MatchesEveryCase) {
  ASSERT_NO_FATAL_FAILURE(load({.compute_dtype = DType::kF32}));
  expect_logprobs();
}

TEST_P(GoldensTest, Fp32GreedyIdsAreEqualWhileMarginsAreWide) {
  ASSERT_NO_FATAL_FAILURE(load({.compute_dtype = DType::kF32}));
  expect_greedy_ids(1e-3);
}

TEST_P(GoldensTest, Fp32PerplexityIsWithinATenthOfAPercent) {
  ASSERT_NO_FATAL_FAILURE(load({.compute_dtype = DType::kF32}));
  expect_perplexity(1e-3);
}

TEST_P(GoldensTest, Bf16PerplexityIsWithinOnePercent) {
  ASSERT_NO_FATAL_FAILURE(load({.compute_dtype = DType::kBF16}));
  expect_perplexity(1e-2);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldensTest, ::testing::ValuesIn(kGoldens),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fathom
