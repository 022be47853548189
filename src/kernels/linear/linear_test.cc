// linear against its reference; bits that do not depend on the batch; no byte read too many.
#include "kernels/linear/linear.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;
using tensor::View;

struct Types {
  DType x, w, bias, y;
};

constexpr Types kTypes[] = {
    {DType::kF32, DType::kF32, DType::kF32, DType::kF32},
    {DType::kF32, DType::kBF16, DType::kBF16, DType::kF32},
    {DType::kF32, DType::kF16, DType::kF16, DType::kF32},
    {DType::kBF16, DType::kBF16, DType::kBF16, DType::kBF16},
    {DType::kBF16, DType::kBF16, DType::kF32, DType::kF32},
};

class LinearTest : public KernelTest {
 protected:
  LinearArgs args(const Array& x, const Array& w, const Array& y) {
    LinearArgs made;
    made.x = x;
    made.weight.num_blocks = 1;
    made.weight.blocks[0].weight = w;
    made.y = y;
    return made;
  }
};

TEST_F(LinearTest, MatchesTheReference) {
  for (int round = 0; round < 12; ++round) {
    const std::int64_t tokens = between(0, 20);
    const std::int64_t in = round == 0 ? 2500 : between(1, 300);
    const Types& types = kTypes[between(0, std::ssize(kTypes) - 1)];
    const Array x = normal(types.x, {tokens, in});
    const Array w1 = normal(types.w, {between(1, 70), in});
    const Array w2 = normal(types.w, {between(1, 40), in});
    const Array bias = normal(types.bias, {w2.view().shape[0]});
    const std::int64_t out = w1.view().shape[0] + w2.view().shape[0];
    Array expected(types.y, {tokens, out});
    LinearArgs both = args(x, w1, expected);
    both.weight.num_blocks = 2;
    both.weight.blocks[1] = {.weight = w2, .bias = bias};
    linear_reference(both);
    for_each_variant([&](device::Stream& stream) {
      Array y(types.y, {tokens, out});
      both.y = y;
      linear(both, stream);
      expect_near(y, expected, 1e-5F, 4e-6F * static_cast<float>(in));
    });
  }
}

TEST_F(LinearTest, RowsHaveTheSameBitsInEveryBatch) {
  const std::int64_t in = 1100;
  const std::int64_t out = 37;
  for (const Types& types : kTypes) {
    const Array x = normal(types.x, {110, in});
    const Array w = normal(types.w, {out, in});
    for_each_variant([&](device::Stream& stream) {
      Array together(types.y, {110, out});
      linear(args(x, w, together), stream);
      for (int round = 0; round < 6; ++round) {
        const std::int64_t first = between(0, 109);
        const std::int64_t count = between(1, std::min<std::int64_t>(9, 110 - first));
        Array part(types.y, {count, out});
        LinearArgs some = args(x, w, part);
        const auto skip = static_cast<std::size_t>(first * in) * tensor::size_bytes(types.x);
        some.x = View{static_cast<const std::byte*>(x.view().data) + skip, types.x, {count, in}};
        linear(some, stream);
        const auto row_bytes = static_cast<std::size_t>(out) * tensor::size_bytes(types.y);
        EXPECT_EQ(std::memcmp(part.view().data,
                              static_cast<const std::byte*>(together.view().data) +
                                  static_cast<std::size_t>(first) * row_bytes,
                              static_cast<std::size_t>(count) * row_bytes),
                  0);
      }
    });
  }
}

// Memory whose next byte after `bytes` cannot be read.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t bytes) : page_(static_cast<std::size_t>(::getpagesize())) {
    size_ = (bytes + page_ - 1) / page_ * page_ + page_;
    base_ = static_cast<std::byte*>(
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(base_ + size_ - page_, page_, PROT_NONE);
    data_ = base_ + size_ - page_ - bytes;
  }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  ~GuardedBytes() { ::munmap(base_, size_); }
  std::byte* data() const { return data_; }

 private:
  std::size_t page_;
  std::size_t size_ = 0;
  std::byte* base_ = nullptr;
  std::byte* data_ = nullptr;
};

TEST_F(LinearTest, ReadsNothingPastTheEnd) {
  for (const Types& types : kTypes) {
    for (std::int64_t in = 1; in < 70; in += 7) {
      const Array x = normal(types.x, {3, in});
      const Array w = normal(types.w, {5, in});
      GuardedBytes guarded_x(x.view().num_bytes());
      GuardedBytes guarded_w(w.view().num_bytes());
      std::memcpy(guarded_x.data(), x.view().data, x.view().num_bytes());
      std::memcpy(guarded_w.data(), w.view().data, w.view().num_bytes());
      for_each_variant([&](device::Stream& stream) {
        Array y(types.y, {3, 5});
        LinearArgs guarded = args(x, w, y);
        guarded.x.data = guarded_x.data();
        guarded.weight.blocks[0].weight.data = guarded_w.data();
        linear(guarded, stream);
        Array expected(types.y, {3, 5});
        linear_reference(args(x, w, expected));
        expect_near(y, expected, 1e-5F, 1e-4F);
      });
    }
  }
}

}  // namespace
}  // namespace fathom::kernels
