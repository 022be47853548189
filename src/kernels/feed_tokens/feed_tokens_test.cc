// feed_tokens and store_tokens are exact.
#include "kernels/feed_tokens/feed_tokens.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

class FeedTokensTest : public KernelTest {
 protected:
  static std::vector<std::int32_t> values(const Array& array) {
    const auto* at = array.view().as<std::int32_t>();
    return {at, at + array.size()};
  }
};

TEST_F(FeedTokensTest, StoresWhereASlotIsNamed) {
  const Array slots = ints({3, -1, 0, 4});
  const Array tokens = ints({30, 99, 10, 98});
  for_each_variant([&](device::Stream& stream) {
    Array last = ints({1, 2, 3, 4});
    store_tokens({.slots = slots, .tokens = tokens, .last_tokens = last}, stream);
    EXPECT_EQ(values(last), (std::vector<std::int32_t>{10, 2, 3, 30}));
  });
}

TEST_F(FeedTokensTest, FeedsWhereASourceIsNamed) {
  const Array sources = ints({-1, 2, 2, 0, 3});
  const Array last = ints({70, 71, -1});
  for_each_variant([&](device::Stream& stream) {
    Array ids = ints({5, 6, 7, 8, 9});
    feed_tokens({.sources = sources, .last_tokens = last, .ids = ids}, stream);
    EXPECT_EQ(values(ids), (std::vector<std::int32_t>{5, -1, -1, 70, 9}));
  });
}

}  // namespace
}  // namespace fathom::kernels
