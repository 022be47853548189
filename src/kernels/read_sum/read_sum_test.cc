// The same bits as the reference: the sum of integers has no order.
#include "kernels/read_sum/read_sum.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class ReadSumTest : public KernelTest {
 protected:
  void check(std::int64_t count, device::Stream& stream) {
    std::vector<std::int64_t> words(static_cast<std::size_t>(count));
    for (std::int64_t& word : words) word = static_cast<std::int64_t>(random_());
    std::int64_t expected = 0;
    read_sum_reference(
        {.x = {words.data(), DType::kI64, {count}}, .y = {&expected, DType::kI64, {1}}});
    auto x = stream.device().allocate(words.size() * sizeof(std::int64_t) + 16);
    auto y = stream.device().allocate(sizeof(std::int64_t));
    ASSERT_TRUE(x && y);
    stream.copy_to_device(x->data(), words.data(), words.size() * sizeof(std::int64_t));
    std::int64_t sum = 1;
    for (int i = 0; i < 2; ++i) {  // the second does not add to the first
      read_sum({.x = {x->data(), DType::kI64, {count}}, .y = {y->data(), DType::kI64, {1}}},
               stream);
    }
    stream.copy_to_host(&sum, y->data(), sizeof(sum));
    const auto waited = stream.synchronize();
    ASSERT_TRUE(waited) << waited.error().text();
    EXPECT_EQ(sum, expected) << count;
  }
};

TEST_F(ReadSumTest, IsExact) {
  for (const std::int64_t count :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{31}, std::int64_t{33}, between(34, 5000),
        std::int64_t{1} << 17, (std::int64_t{1} << 17) + between(1, 200'000)}) {
    for_each_device([&](device::Stream& stream) { check(count, stream); });
  }
  for_each_device([&](device::Stream& stream) { check(between(5'000'000, 6'000'000), stream); });
}

}  // namespace
}  // namespace fathom::kernels
