// Sampling: greedy, filters against the reference, distribution, odd rows.
#include "kernels/sample/sample.h"

#include <cmath>
#include <limits>
#include <set>

#include "kernels/kernel_test_data.h"
#include "kernels/sample/philox.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

// Parameters of each row, as arrays.
struct Parameters {
  explicit Parameters(std::int64_t rows)
      : temperature(DType::kF32, {rows}),
        top_k(DType::kI32, {rows}),
        top_p(DType::kF32, {rows}),
        min_p(DType::kF32, {rows}),
        seeds(DType::kI64, {rows}),
        counters(DType::kI64, {rows}),
        tokens(DType::kI32, {rows}),
        logprobs(DType::kF32, {rows}) {
    for (std::int64_t i = 0; i < rows; ++i) set_row(i, 1.0F, 0, 1.0F, 0.0F);
  }
  void set_row(std::int64_t row, float temperature_value, std::int32_t k, float p, float min) {
    set(temperature, row, temperature_value);
    top_k.view().as<std::int32_t>()[row] = k;
    set(top_p, row, p);
    set(min_p, row, min);
    seeds.view().as<std::int64_t>()[row] = 7;
    counters.view().as<std::int64_t>()[row] = row;
  }
  std::int32_t token(std::int64_t row) const { return tokens.view().as<std::int32_t>()[row]; }

  SampleArgs args(const Array& logits, const Array& workspace, std::int64_t valid) const {
    return {.logits = logits,
            .num_valid_tokens = valid,
            .temperature = temperature,
            .top_k = top_k,
            .top_p = top_p,
            .min_p = min_p,
            .seeds = seeds,
            .counters = counters,
            .workspace = workspace,
            .tokens = tokens,
            .logprobs = logprobs};
  }
  Array temperature, top_k, top_p, min_p, seeds, counters, tokens, logprobs;
};

class SampleTest : public KernelTest {
 protected:
  static Array workspace(std::int64_t rows, std::int64_t vocab) {
    return Array(DType::kF32, {rows * vocab * 2});
  }
};

TEST(Philox, MatchesItsAuthorsVectors) {
  const auto zeros = philox({0, 0, 0, 0}, {0, 0});
  EXPECT_EQ(zeros, (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const auto digits_of_pi =
      philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
  EXPECT_EQ(digits_of_pi,
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST_F(SampleTest, GreedyTakesTheLowestOfTheLikeliestAndNeverPadding) {
  Array logits = normal(DType::kF32, {2, 50});
  set(logits, 20, 9.0F);
  set(logits, 31, 9.0F);
  set(logits, 49, 99.0F);
  set(logits, 50 + 3, std::numeric_limits<float>::quiet_NaN());
  set(logits, 50 + 8, 9.0F);
  Parameters parameters(2);
  parameters.set_row(0, 0.0F, 0, 1.0F, 0.0F);
  parameters.set_row(1, 0.0F, 0, 1.0F, 0.0F);
  const Array scratch = workspace(2, 50);
  for_each_variant([&](device::Stream& stream) {
    sample(parameters.args(logits, scratch, 49), stream);
    EXPECT_EQ(parameters.token(0), 20);
    EXPECT_EQ(parameters.token(1), 8);
    EXPECT_LT(parameters.logprobs[0], 0.0F);
  });
}

TEST_F(SampleTest, DrawsWhatTheReferenceDraws) {
  const std::int64_t rows = 40;
  const std::int64_t vocab = 2000;
  const Array logits = normal(DType::kF32, {rows, vocab}, 3.0F);
  Parameters parameters(rows);
  for (std::int64_t i = 0; i < rows; ++i) {
    parameters.set_row(i, 0.2F + 0.1F * static_cast<float>(between(0, 12)),
                       static_cast<std::int32_t>(between(0, 1) * between(1, 300)),
                       between(0, 2) == 0 ? 1.0F : 0.05F * static_cast<float>(between(1, 19)),
                       between(0, 2) == 0 ? 0.1F : 0.0F);
    parameters.seeds.view().as<std::int64_t>()[i] = between(-1000, 1000);
  }
  const Array scratch = workspace(rows, vocab);
  sample_reference(parameters.args(logits, scratch, vocab - 3));
  const Array expected = parameters.tokens;
  for_each_variant([&](device::Stream& stream) {
    sample(parameters.args(logits, scratch, vocab - 3), stream);
    expect_equal_bits(parameters.tokens, expected);
  });
}

TEST_F(SampleTest, FollowsTheDistribution) {
  // Chi-square over 8 tokens with 7 degrees of freedom: below 40 but once in a million runs.
  const std::int64_t rows = 20000;
  std::vector<double> probability;
  double total = 0;
  for (int i = 0; i < 8; ++i) total += probability.emplace_back(std::exp(0.3 * i));
  Array logits(DType::kF32, {rows, 8});
  for (std::int64_t i = 0; i < rows * 8; ++i) set(logits, i, 0.3F * static_cast<float>(i % 8));
  Parameters parameters(rows);
  for (std::int64_t i = 0; i < rows; ++i) {
    parameters.seeds.view().as<std::int64_t>()[i] = static_cast<std::int64_t>(random_());
  }
  const Array scratch = workspace(rows, 8);
  device::CpuDevice device(device::CpuIsa::kPortable, 2);
  auto stream = device.create_stream();
  sample(parameters.args(logits, scratch, 8), **stream);
  std::vector<double> counts(8);
  for (std::int64_t i = 0; i < rows; ++i) ++counts[static_cast<std::size_t>(parameters.token(i))];
  double chi_square = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    const double expected = static_cast<double>(rows) * probability[i] / total;
    chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  EXPECT_LT(chi_square, 40.0);
}

TEST_F(SampleTest, SaysSoWhenNothingIsFinite) {
  Array logits(DType::kF32, {2, 5});
  for (std::int64_t i = 0; i < 10; ++i) {
    set(logits, i,
        i < 5 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity());
  }
  Parameters parameters(2);
  parameters.set_row(1, 0.0F, 0, 1.0F, 0.0F);
  const Array scratch = workspace(2, 5);
  for_each_variant([&](device::Stream& stream) {
    sample(parameters.args(logits, scratch, 5), stream);
    EXPECT_EQ(parameters.token(0), -1);
    EXPECT_EQ(parameters.token(1), -1);
  });
}

}  // namespace
}  // namespace fathom::kernels
