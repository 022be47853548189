// count_tokens and clear_counts are exact.
#include "kernels/count_tokens/count_tokens.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class CountTokensTest : public KernelTest {};

TEST_F(CountTokensTest, CountsDuplicatesMarksPromptsAndSkipsTheRest) {
  const Array slots = ints({0, 0, 2, 2, 2, -1, 1, 3, 1, 0, 0});
  const Array tokens = ints({4, 4, 0, 0, 0, 1, -1, 1, 5, 3, 4});
  const Array is_prompt = ints({0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0});
  for_each_device([&](device::Stream& stream) {
    Array counts(DType::kI32, {3, 5});
    OnDevice on(stream);
    const CountTokensArgs args{.slots = on(slots),
                               .tokens = on(tokens),
                               .is_prompt = on(is_prompt),
                               .token_counts = on(counts)};
    count_tokens(args, stream);
    on.finish();
    const auto* at = counts.view().as<std::int32_t>();
    EXPECT_EQ(std::vector<std::int32_t>(at, at + 15),
              (std::vector<std::int32_t>{0, 0, 0, kInPrompt, 3, 0, 0, 0, 0, 0, kInPrompt | 1, 0, 0,
                                         0, 0}));
    count_tokens(args, stream);
    on.finish();
    EXPECT_EQ(at[4], 6);
    EXPECT_EQ(at[10], kInPrompt | 2);
  });
}

TEST_F(CountTokensTest, ClearsTheNamedRowsAlone) {
  const Array slots = ints({2, -1, 0, 4, 2});
  for_each_device([&](device::Stream& stream) {
    Array counts(DType::kI32, {4, 3});
    auto* at = counts.view().as<std::int32_t>();
    std::fill_n(at, 12, 7);
    OnDevice on(stream);
    clear_counts({.slots = on(slots), .token_counts = on(counts)}, stream);
    on.finish();
    EXPECT_EQ(std::vector<std::int32_t>(at, at + 12),
              (std::vector<std::int32_t>{0, 0, 0, 7, 7, 7, 0, 0, 0, 7, 7, 7}));
  });
}

TEST_F(CountTokensTest, ManyEntriesOfFewPlacesAllCount) {
  constexpr std::int64_t kVocabRows = 5000;
  std::vector<std::int32_t> slots;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> is_prompt;
  for (int i = 0; i < 3000; ++i) {
    slots.push_back(static_cast<std::int32_t>(between(-1, 3)));
    tokens.push_back(static_cast<std::int32_t>(between(0, 1) * (kVocabRows - 1)));
    is_prompt.push_back(between(0, 9) == 0 ? 1 : 0);
  }
  const Array slot_array = ints(slots);
  const Array token_array = ints(tokens);
  const Array is_prompt_array = ints(is_prompt);
  const Array expected(DType::kI32, {3, kVocabRows});
  count_tokens_reference({.slots = slot_array,
                          .tokens = token_array,
                          .is_prompt = is_prompt_array,
                          .token_counts = expected});
  const Array cleared = ints({1, 1});
  for_each_device([&](device::Stream& stream) {
    const Array counts(DType::kI32, {3, kVocabRows});
    OnDevice on(stream);
    count_tokens({.slots = on(slot_array),
                  .tokens = on(token_array),
                  .is_prompt = on(is_prompt_array),
                  .token_counts = on(counts)},
                 stream);
    on.finish();
    expect_equal_bits(counts, expected);
    clear_counts({.slots = on(cleared), .token_counts = on(counts)}, stream);
    on.finish();
    const auto* at = counts.view().as<std::int32_t>();
    const auto* before = expected.view().as<std::int32_t>();
    for (std::int64_t i = 0; i < counts.size(); ++i) {
      ASSERT_EQ(at[i], i / kVocabRows == 1 ? 0 : before[i]) << i;
    }
  });
}

}  // namespace
}  // namespace fathom::kernels
