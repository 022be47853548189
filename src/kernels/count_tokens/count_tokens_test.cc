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
  for_each_variant([&](device::Stream& stream) {
    Array counts(DType::kI32, {3, 5});
    const CountTokensArgs args{
        .slots = slots, .tokens = tokens, .is_prompt = is_prompt, .token_counts = counts};
    count_tokens(args, stream);
    const auto* at = counts.view().as<std::int32_t>();
    EXPECT_EQ(std::vector<std::int32_t>(at, at + 15),
              (std::vector<std::int32_t>{0, 0, 0, kInPrompt, 3, 0, 0, 0, 0, 0, kInPrompt | 1, 0, 0,
                                         0, 0}));
    count_tokens(args, stream);
    EXPECT_EQ(at[4], 6);
    EXPECT_EQ(at[10], kInPrompt | 2);
  });
}

TEST_F(CountTokensTest, ClearsTheNamedRowsAlone) {
  const Array slots = ints({2, -1, 0, 4, 2});
  for_each_variant([&](device::Stream& stream) {
    Array counts(DType::kI32, {4, 3});
    auto* at = counts.view().as<std::int32_t>();
    std::fill_n(at, 12, 7);
    clear_counts({.slots = slots, .token_counts = counts}, stream);
    EXPECT_EQ(std::vector<std::int32_t>(at, at + 12),
              (std::vector<std::int32_t>{0, 0, 0, 7, 7, 7, 0, 0, 0, 7, 7, 7}));
  });
}

}  // namespace
}  // namespace fathom::kernels
