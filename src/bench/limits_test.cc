// The limits of the models' real shapes on one H200, as computed by hand.
#include "bench/limits.h"

#include <gtest/gtest.h>

#include "spec/known_models.h"

namespace fathom::bench {
namespace {

const Ceilings kH200{.read_bytes_per_s = 4.3e12, .dot_flop_per_s = 788e12};

TEST(Limits, CountTheProductsOfOneToken) {
  const spec::ModelSpec model = *spec::known_shape("deepseek-llm-7b");
  EXPECT_DOUBLE_EQ(layers_flop_per_token(model), 2.0 * 30 * 202'375'168);
  EXPECT_DOUBLE_EQ(head_flop_per_token(model), 2.0 * 102400 * 4096);
}

DecodeWork work(std::int64_t batch, std::int64_t context_tokens) {
  const spec::ModelSpec model = *spec::known_shape("deepseek-llm-7b");
  const double flop = layers_flop_per_token(model) + head_flop_per_token(model);
  return {.batch = batch,
          .context_tokens = context_tokens,
          .weight_bytes = flop,  // bf16: two bytes and two FLOP a weight
          .kv_bytes_per_token = 2.0 * static_cast<double>(model.kv_values_per_token()),
          .flop_per_token = flop};
}

TEST(Limits, OfDecodingAreMemoryForFewSequences) {
  EXPECT_NEAR(decode_limit_tokens_per_s(work(1, 0), kH200), 331, 1);
  EXPECT_NEAR(decode_limit_tokens_per_s(work(1, 1024), kH200), 319, 1);
  EXPECT_NEAR(decode_limit_tokens_per_s(work(32, 600), kH200), 6270, 150);
  EXPECT_NEAR(decode_limit_tokens_per_s(work(128, 1024), kH200), 7111, 20);
}

TEST(Limits, OfDecodingAreProductsForMany) {
  DecodeWork many = work(1000, 0);
  EXPECT_NEAR(decode_limit_tokens_per_s(many, kH200), 788e12 / many.flop_per_token, 1);
  // The cache's bytes come on top.
  many.context_tokens = 1024;
  EXPECT_LT(decode_limit_tokens_per_s(many, kH200), 8543);
}

TEST(Limits, OfPromptsAreProducts) {
  const spec::ModelSpec model = *spec::known_shape("deepseek-llm-7b");
  // 2048 tokens in 32.9 ms, 4096 in 68.3.
  EXPECT_NEAR(prefill_limit_tokens_per_s(model, 2048, kH200), 2048 / 32.9e-3, 200);
  EXPECT_NEAR(prefill_limit_tokens_per_s(model, 4096, kH200), 4096 / 68.3e-3, 600);
}

TEST(Limits, FollowTheNumberOfLayers) {
  spec::ModelSpec model = *spec::known_shape("deepseek-llm-7b");
  const double whole = layers_flop_per_token(model);
  model.num_layers = 3;
  EXPECT_DOUBLE_EQ(layers_flop_per_token(model), whole / 10);
}

}  // namespace
}  // namespace fathom::bench
