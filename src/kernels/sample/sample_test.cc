// Sampling on every device: greedy, filters against the reference, distribution, odd rows.
#include <cmath>
#include <limits>

#include "kernels/sample/sample_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

TEST(Philox, MatchesItsAuthorsVectors) {
  const PhiloxWords zeros = philox({{0, 0, 0, 0}}, 0, 0);
  EXPECT_EQ(zeros, (PhiloxWords{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  const PhiloxWords digits_of_pi =
      philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0);
  EXPECT_EQ(digits_of_pi, (PhiloxWords{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
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
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, 49, nullptr, stream);
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
  Parameters reference = parameters;
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, vocab - 3, nullptr, stream);
    expect_drawn(reference.args(in_place, logits, logits, vocab - 3), parameters.tokens,
                 parameters.logprobs);
  });
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST_F(SampleTest, AdjustsAsTheReferenceDoes) {
  constexpr std::int64_t kRows = 48;
  constexpr std::int64_t kSlots = 5;
  constexpr std::int64_t kVocab = 1003;
  Array logits = normal(DType::kF32, {kRows, kVocab}, 3.0F);
  Parameters parameters(kRows);
  Adjustments asked(kRows, kSlots, kVocab);
  for (std::int64_t i = 0; i < kSlots * kVocab; ++i) {
    const std::int64_t count = between(0, 3) == 0 ? between(0, 9) : 0;
    asked.counts.view().as<std::int32_t>()[i] =
        static_cast<std::int32_t>(count) | (between(0, 4) == 0 ? kInPrompt : 0);
  }
  for (std::int64_t i = 0; i < asked.masks.size(); ++i) {
    asked.masks.view().as<std::int32_t>()[i] = static_cast<std::int32_t>(random_() | random_());
  }
  for (std::int64_t row = 0; row < kRows; ++row) {
    parameters.set_row(row, static_cast<float>(between(0, 3)) * 0.4F,
                       static_cast<std::int32_t>(between(0, 1) * 40), between(0, 1) ? 0.9F : 1.0F,
                       0.0F);
    set(asked.repetition, row, 0.8F + 0.1F * static_cast<float>(between(0, 8)));
    set(asked.presence, row, 0.5F * static_cast<float>(between(-4, 4)));
    set(asked.frequency, row, 0.5F * static_cast<float>(between(-4, 4)));
    asked.slots.view().as<std::int32_t>()[row] = static_cast<std::int32_t>(between(-1, kSlots - 1));
    asked.mask_rows.view().as<std::int32_t>()[row] =
        static_cast<std::int32_t>(between(-1, kSlots - 1));
    // Some tokens twice, some outside the vocabulary.
    for (std::int64_t i = between(0, 2) * 60; i > 0; --i) {
      asked.add_bias(between(-2, kVocab + 5),
                     between(0, 3) == 0 ? -kInfinity : static_cast<float>(between(-20, 20)));
    }
    asked.end_row();
    set(logits, row * kVocab + between(0, kVocab - 1), std::numeric_limits<float>::quiet_NaN());
    for (std::int64_t i = 0; i < 3; ++i) set(logits, row * kVocab + kVocab - 1 - i, 99.0F);
  }
  const Array untouched = logits;
  Parameters reference = parameters;
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, kVocab - 3, &asked, stream);
    SampleArgs args = reference.args(in_place, logits, logits, kVocab - 3);
    args.adjustments = asked.adjustments(in_place);
    expect_drawn(args, parameters.tokens, parameters.logprobs);
    expect_equal_bits(logits, untouched);
  });
}

TEST_F(SampleTest, AppliesEachAdjustmentByItsFormula) {
  // Greedy over 4 tokens, so that each row shows the outcome of one comparison.
  constexpr std::int64_t kRows = 8;
  Array logits(DType::kF32, {kRows, 4});
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t i = 0; i < 4; ++i) set(logits, row * 4 + i, 4.0F - static_cast<float>(i));
  }
  Parameters parameters(kRows);
  Adjustments asked(kRows, 3, 4);
  for (std::int64_t row = 0; row < kRows; ++row) {
    parameters.set_row(row, 0.0F, 0, 1.0F, 0.0F);
    set(asked.repetition, row, 1.0F);
  }
  auto* counts = asked.counts.view().as<std::int32_t>();
  counts[0] = kInPrompt;      // slot 0: token 0 stands in the prompt alone
  counts[4] = 3;              // slot 1: token 0 thrice in the answer
  counts[8] = kInPrompt | 1;  // slot 2: both
  asked.masks.view().as<std::int32_t>()[0] = 0b1100;
  asked.masks.view().as<std::int32_t>()[1] = ~0xF;
  const auto use_slot = [&](std::int64_t row, std::int32_t slot) {
    asked.slots.view().as<std::int32_t>()[row] = slot;
  };
  use_slot(0, 0);  // 4 / 2 is below 3
  set(asked.repetition, 0, 2.0F);
  use_slot(1, 0);  // a prompt's token has neither presence nor frequency
  set(asked.presence, 1, 50.0F);
  set(asked.frequency, 1, 50.0F);
  use_slot(2, 1);  // 4 - 3 * 0.5 - 0.6 = 1.9 is below 3
  set(asked.frequency, 2, 0.5F);
  set(asked.presence, 2, 0.6F);
  use_slot(3, 2);  // 4 / 1.25 - 0.1 = 3.1 stays above 3
  set(asked.repetition, 3, 1.25F);
  set(asked.presence, 3, 0.1F);
  asked.mask_rows.view().as<std::int32_t>()[4] = 0;
  asked.mask_rows.view().as<std::int32_t>()[5] = 1;  // nothing allowed
  for (std::int64_t row = 0; row < kRows; ++row) {
    if (row == 6) asked.add_bias(3, 3.0F);  // a tie of 4: the lowest id
    if (row == 7) {
      for (const std::int64_t token : {0, 1, 2, 3}) asked.add_bias(token, -kInfinity);
    }
    asked.end_row();
  }
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, 4, &asked, stream);
    const std::vector<std::int32_t> expected{1, 0, 1, 0, 2, -1, 0, -1};
    for (std::size_t row = 0; row < expected.size(); ++row) {
      EXPECT_EQ(parameters.token(static_cast<std::int64_t>(row)), expected[row]) << "row " << row;
    }
  });
}

TEST_F(SampleTest, RowsWithoutAdjustmentsKeepTheirBits) {
  const Array logits = normal(DType::kF32, {20, 500}, 3.0F);
  Parameters parameters(20);
  for (std::int64_t i = 0; i < 20; ++i)
    parameters.set_row(i, 0.5F * static_cast<float>(i % 3), 0, 0.9F, 0.0F);
  Adjustments asked(20, 1, 500);
  for (std::int64_t i = 0; i < 20; ++i) asked.end_row();
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, 500, nullptr, stream);
    const Array tokens = parameters.tokens;
    const Array logprobs = parameters.logprobs;
    run(parameters, logits, 500, &asked, stream);
    expect_equal_bits(parameters.tokens, tokens);
    expect_equal_bits(parameters.logprobs, logprobs);
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
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, 8, nullptr, stream);
    std::vector<double> counts(8);
    for (std::int64_t i = 0; i < rows; ++i) ++counts[static_cast<std::size_t>(parameters.token(i))];
    double chi_square = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      const double expected = static_cast<double>(rows) * probability[i] / total;
      chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    EXPECT_LT(chi_square, 40.0);
  });
}

TEST_F(SampleTest, SaysSoWhenNothingIsFinite) {
  Array logits(DType::kF32, {2, 5});
  for (std::int64_t i = 0; i < 10; ++i) {
    set(logits, i,
        i < 5 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity());
  }
  Parameters parameters(2);
  parameters.set_row(1, 0.0F, 0, 1.0F, 0.0F);
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, 5, nullptr, stream);
    EXPECT_EQ(parameters.token(0), -1);
    EXPECT_EQ(parameters.token(1), -1);
  });
}

}  // namespace
}  // namespace fathom::kernels
