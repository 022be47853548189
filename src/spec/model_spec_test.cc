// Parameter counts of the real models, and rotary frequencies.
#include "spec/model_spec.h"

#include <gtest/gtest.h>

#include <cmath>

#include "spec/known_models.h"

namespace fathom::spec {
namespace {

TEST(ModelSpec, CountsTheParametersOfDeepSeek7B) {
  const ModelSpec model = *known_shape("deepseek-llm-7b");
  EXPECT_EQ(model.total_parameters(), 6'910'365'696);
  EXPECT_EQ(2 * model.kv_values_per_token(), 480 * 1024);  // bytes at 16 bits
}

TEST(ModelSpec, CountsTheParametersOfTheQwenDistill) {
  const ModelSpec model = *known_shape("deepseek-r1-distill-qwen-7b");
  EXPECT_EQ(model.total_parameters(), 7'615'616'512);
  EXPECT_EQ(model.group_size(), 7);
  EXPECT_EQ(2 * model.kv_values_per_token(), 56 * 1024);
}

TEST(KnownShapes, AreFoundByTheirNamesAlone) {
  for (const std::string_view name : known_shapes()) EXPECT_TRUE(known_shape(name)) << name;
  EXPECT_FALSE(known_shape("deepseek-llm"));
  EXPECT_FALSE(known_shape(""));
}

TEST(RopeFrequencies, ScaleLinearly) {
  const auto plain = rope_frequencies({.theta = 100000.0}, 128);
  const auto scaled = rope_frequencies(
      {.theta = 100000.0, .scaling = RopeSpec::Scaling::kLinear, .factor = 4.0}, 128);
  ASSERT_EQ(plain.size(), 64U);
  EXPECT_FLOAT_EQ(plain[0], 1.0F);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_FLOAT_EQ(scaled[i] * 4.0F, plain[i]);
}

TEST(RopeFrequencies, ScaleAsLlama3Does) {
  const RopeSpec rope{.theta = 500000.0,
                      .scaling = RopeSpec::Scaling::kLlama3,
                      .factor = 8.0,
                      .low_freq_factor = 1.0,
                      .high_freq_factor = 4.0,
                      .original_max_position = 8192};
  const auto plain = rope_frequencies({.theta = 500000.0}, 128);
  const auto scaled = rope_frequencies(rope, 128);
  EXPECT_EQ(scaled.front(), plain.front());             // short wavelengths stay
  EXPECT_FLOAT_EQ(scaled.back() * 8.0F, plain.back());  // long ones are divided
  for (std::size_t i = 1; i < scaled.size(); ++i) EXPECT_LT(scaled[i], scaled[i - 1]);
}

}  // namespace
}  // namespace fathom::spec
