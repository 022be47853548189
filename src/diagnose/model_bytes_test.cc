// Bytes of the known models, as the design computes them by hand.
#include "diagnose/model_bytes.h"

#include <gtest/gtest.h>

#include "spec/known_models.h"

namespace fathom::diagnose {
namespace {

constexpr double kGiB = 1 << 30;

TEST(ModelBytes, OfDeepSeekLlm) {
  const ModelBytes bytes = model_bytes(*spec::known_shape("deepseek-llm-7b"), "m");
  EXPECT_NEAR(static_cast<double>(bytes.weights_16_bit) / kGiB, 12.87, 0.01);
  EXPECT_NEAR(static_cast<double>(bytes.weights_8_bit) / kGiB, 7.22, 0.03);
  EXPECT_NEAR(static_cast<double>(bytes.weights_4_bit) / kGiB, 4.50, 0.03);
  EXPECT_EQ(bytes.kv_per_token_16_bit, 480 << 10);
  EXPECT_NEAR(static_cast<double>(bytes.read_per_token), 12.98e9, 0.01e9);
}

TEST(ModelBytes, OfTheQwenDistill) {
  const ModelBytes bytes = model_bytes(*spec::known_shape("deepseek-r1-distill-qwen-7b"), "m");
  EXPECT_NEAR(static_cast<double>(bytes.weights_16_bit) / kGiB, 14.19, 0.01);
  EXPECT_NEAR(static_cast<double>(bytes.weights_8_bit) / kGiB, 8.11, 0.05);
  EXPECT_NEAR(static_cast<double>(bytes.weights_4_bit) / kGiB, 5.19, 0.05);
  EXPECT_EQ(bytes.kv_per_token_16_bit, 56 << 10);
}

}  // namespace
}  // namespace fathom::diagnose
