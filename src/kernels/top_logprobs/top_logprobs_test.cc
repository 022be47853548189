// top_logprobs against its reference: ties, padding, NaNs, short vocabularies; and against
// token_logprobs, bit for bit.
#include "kernels/top_logprobs/top_logprobs.h"

#include <limits>

#include "kernels/kernel_test_data.h"
#include "kernels/token_logprobs/token_logprobs.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What the operation writes.
struct Outputs {
  Outputs(std::int64_t rows, std::int64_t k)
      : ids(DType::kI32, {rows, k}),
        logprobs(DType::kF32, {rows, k}),
        target_logprobs(DType::kF32, {rows}),
        target_ranks(DType::kI32, {rows}) {}
  TopLogprobsArgs args(const Array& logits, std::int64_t valid, const Array& targets) const {
    return {.logits = logits,
            .num_valid_tokens = valid,
            .targets = targets,
            .ids = ids,
            .logprobs = logprobs,
            .target_logprobs = target_logprobs,
            .target_ranks = target_ranks};
  }
  void run(const Array& logits, std::int64_t valid, const Array& targets,
           device::Stream& stream) const {
    OnDevice on(stream);
    top_logprobs({.logits = on(logits),
                  .num_valid_tokens = valid,
                  .targets = on(targets),
                  .ids = on(ids),
                  .logprobs = on(logprobs),
                  .target_logprobs = on(target_logprobs),
                  .target_ranks = on(target_ranks)},
                 stream);
    on.finish();
  }
  Array ids, logprobs, target_logprobs, target_ranks;
};

class TopLogprobsTest : public KernelTest {
 protected:
  // Equal or both -infinity, or near.
  static void expect_close(const Array& a, const Array& b) {
    for (std::int64_t i = 0; i < b.size(); ++i) {
      if (b[i] == -kInfinity) {
        EXPECT_EQ(a[i], b[i]);
      } else {
        EXPECT_NEAR(a[i], b[i], 1e-5);
      }
    }
  }
};

TEST_F(TopLogprobsTest, MatchesTheReference) {
  constexpr std::int64_t kRows = 12;
  for (const std::int64_t vocab : {8, 33, 3000}) {
    Array logits(DType::kF32, {kRows, vocab});
    std::vector<std::int32_t> targets;
    for (std::int64_t i = 0; i < logits.size(); ++i) {
      // Quarters: many ties.
      set(logits, i, 0.25F * static_cast<float>(between(-30, 30)));
      if (between(0, 9) == 0) set(logits, i, std::numeric_limits<float>::quiet_NaN());
      if (between(0, 9) == 0) set(logits, i, -kInfinity);
      if (i % vocab >= vocab - 2) set(logits, i, 99.0F);
    }
    for (std::int64_t row = 0; row < kRows; ++row) {
      targets.push_back(static_cast<std::int32_t>(between(-1, vocab)));
      set(logits, row * vocab, 1.0F);  // never a row without a finite logit
    }
    const Array target_array = ints(targets);
    for (const std::int64_t k : {0, 1, 5, 20}) {
      const Outputs expected(kRows, k);
      top_logprobs_reference(expected.args(logits, vocab - 2, target_array));
      for_each_device([&](device::Stream& stream) {
        const Outputs actual(kRows, k);
        actual.run(logits, vocab - 2, target_array, stream);
        expect_equal_bits(actual.ids, expected.ids);
        expect_equal_bits(actual.target_ranks, expected.target_ranks);
        expect_close(actual.logprobs, expected.logprobs);
        expect_close(actual.target_logprobs, expected.target_logprobs);
      });
    }
  }
}

TEST_F(TopLogprobsTest, AgreesWithTokenLogprobsToTheBit) {
  const Array logits = normal(DType::kF32, {3, 700}, 4.0F);
  const Array targets = ints({5, 699, 350});
  for_each_device([&](device::Stream& stream) {
    const Outputs actual(3, 7);
    actual.run(logits, 690, targets, stream);
    const Array y(DType::kF32, {3});
    OnDevice on(stream);
    token_logprobs(
        {.logits = on(logits), .num_valid_tokens = 690, .targets = on(targets), .y = on(y)},
        stream);
    on.finish();
    expect_equal_bits(actual.target_logprobs, y);
  });
}

TEST_F(TopLogprobsTest, ListsWholeVocabularies) {
  constexpr std::int64_t kRows = 7;
  constexpr std::int64_t kVocab = 102'400;
  constexpr std::int64_t kValid = kVocab - 9;
  Array logits = normal(DType::kF32, {kRows, kVocab}, 3.0F);
  auto* values = logits.view().as<float>();
  for (std::int64_t i = 0; i < kVocab; ++i) {
    values[i] = 1.5F;                                                // all equal
    values[kVocab + i] = i == 70'000 ? 30.0F : 0.0F;                 // ties but one
    values[2 * kVocab + i] = std::round(values[2 * kVocab + i]);     // many ties
    values[3 * kVocab + i] = i % 20'001 == 7 ? 1.0F : -kInfinity;    // fewer than wanted
    values[4 * kVocab + i] = static_cast<float>(i % 89) * 1.4e-45F;  // denormals
    values[5 * kVocab + i] = i < 512 ? 9.0F + 0.01F * static_cast<float>(i) : values[i];
  }
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t i = kValid; i < kVocab; ++i) values[row * kVocab + i] = 99.0F;
  }
  const Array targets = ints({77, 70'000, 4, 8, -1, 100, 102'000});
  for (const std::int64_t k : {1, 20}) {
    const Outputs expected(kRows, k);
    top_logprobs_reference(expected.args(logits, kValid, targets));
    for_each_device([&](device::Stream& stream) {
      const Outputs actual(kRows, k);
      actual.run(logits, kValid, targets, stream);
      expect_equal_bits(actual.ids, expected.ids);
      expect_equal_bits(actual.target_ranks, expected.target_ranks);
      expect_close(actual.logprobs, expected.logprobs);
      expect_close(actual.target_logprobs, expected.target_logprobs);
    });
  }
}

TEST_F(TopLogprobsTest, ARowWithoutAFiniteLogitListsNothing) {
  Array logits(DType::kF32, {2, 4});
  for (std::int64_t i = 0; i < 8; ++i) {
    set(logits, i, i < 4 ? std::numeric_limits<float>::quiet_NaN() : -kInfinity);
  }
  const Array targets = ints({2, 1});
  for_each_device([&](device::Stream& stream) {
    const Outputs actual(2, 2);
    actual.run(logits, 4, targets, stream);
    for (std::int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(actual.ids.view().as<std::int32_t>()[i], -1);
      EXPECT_EQ(actual.logprobs[i], -kInfinity);
    }
    EXPECT_EQ(actual.target_logprobs[0], -kInfinity);
    EXPECT_EQ(actual.target_ranks.view().as<std::int32_t>()[0], 1);
  });
}

}  // namespace
}  // namespace fathom::kernels
