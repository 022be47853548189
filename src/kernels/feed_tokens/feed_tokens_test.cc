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
  for_each_device([&](device::Stream& stream) {
    Array last = ints({1, 2, 3, 4});
    OnDevice on(stream);
    store_tokens({.slots = on(slots), .tokens = on(tokens), .last_tokens = on(last)}, stream);
    on.finish();
    EXPECT_EQ(values(last), (std::vector<std::int32_t>{10, 2, 3, 30}));
  });
}

TEST_F(FeedTokensTest, FeedsWhereASourceIsNamed) {
  const Array sources = ints({-1, 2, 2, 0, 3});
  const Array last = ints({70, 71, -1});
  for_each_device([&](device::Stream& stream) {
    Array ids = ints({5, 6, 7, 8, 9});
    OnDevice on(stream);
    feed_tokens({.sources = on(sources), .last_tokens = on(last), .ids = on(ids)}, stream);
    on.finish();
    EXPECT_EQ(values(ids), (std::vector<std::int32_t>{5, -1, -1, 70, 9}));
  });
}

TEST_F(FeedTokensTest, AStepsTokensComeBack) {
  constexpr std::int32_t kSlots = 300;
  std::vector<std::int32_t> slots;
  std::vector<std::int32_t> tokens;
  for (std::int32_t i = 0; i < kSlots; ++i) {
    slots.push_back((i * 7 + 5) % kSlots);
    tokens.push_back(static_cast<std::int32_t>(between(0, 102'399)));
  }
  const Array slot_array = ints(slots);
  const Array token_array = ints(tokens);
  for_each_device([&](device::Stream& stream) {
    const Array last = ints(std::vector<std::int32_t>(kSlots, -1));
    Array ids = ints(std::vector<std::int32_t>(kSlots, -1));
    OnDevice on(stream);
    store_tokens({.slots = on(slot_array), .tokens = on(token_array), .last_tokens = on(last)},
                 stream);
    feed_tokens({.sources = on(slot_array), .last_tokens = on(last), .ids = on(ids)}, stream);
    on.finish();
    EXPECT_EQ(values(ids), tokens);
  });
}

}  // namespace
}  // namespace fathom::kernels
