// linear against its reference; bits that do not depend on the batch; no byte read too many.
#include "kernels/linear/linear.h"

#include <fmt/core.h>
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

// What only the GPU multiplies.
constexpr Types kGpuTypes[] = {
    {DType::kF16, DType::kF16, DType::kF16, DType::kF16},
    {DType::kF16, DType::kF16, DType::kF32, DType::kF32},
    {DType::kBF16, DType::kF8E4M3, DType::kBF16, DType::kBF16},
    {DType::kF16, DType::kF8E4M3, DType::kF16, DType::kF32},
    {DType::kF8E4M3, DType::kF8E4M3, DType::kBF16, DType::kBF16},
    {DType::kF8E4M3, DType::kF8E4M3, DType::kF32, DType::kF32},
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

  // Scales of fp8 rows, or nothing for other types.
  Array scales(DType dtype, std::int64_t count) {
    Array made(DType::kF32, {dtype == DType::kF8E4M3 ? count : 0});
    for (std::int64_t i = 0; i < made.size(); ++i) {
      set(made, i, 0.01F * static_cast<float>(between(1, 100)));
    }
    return made;
  }
  static View optional(const tensor::MutableView& view) {
    return view.shape[0] == 0 ? View{} : View(view);
  }

  // One call on a GPU: what it multiplies, as the host has it.
  struct Product {
    Array x, w, bias, y, x_scales, w_scales;
    bool has_bias = true;
  };
  Product product(const Types& types, std::int64_t tokens, std::int64_t in, std::int64_t out) {
    return {.x = normal(types.x, {tokens, in}),
            .w = normal(types.w, {out, in}),
            .bias = normal(types.bias, {out}),
            .y = normal(types.y, {tokens, out}),
            .x_scales = scales(types.x, tokens),
            .w_scales = scales(types.w, out)};
  }
  // `on` gives the arrays' places; the workspace is the device's own.
  template <typename Place>
  static LinearArgs args(const Product& product, Place&& on) {
    LinearArgs made;
    made.x = on(product.x);
    made.x_scales = optional(on(product.x_scales));
    made.weight.num_blocks = 1;
    made.weight.blocks[0] = {.weight = on(product.w),
                             .bias = product.has_bias ? View(on(product.bias)) : View{},
                             .scales = optional(on(product.w_scales))};
    made.y = on(product.y);
    return made;
  }
  // The greatest error of f32 sums over `in`, where |x|, |w| and the scales are of order one. With
  // fp8 on both sides, the GPU's tensor cores keep fewer bits of every step's sum; with a quantized
  // x, each term is off by up to half a unit in fp8's last place, which adds up as noise.
  static void expect_product(const Product& got, const Product& expected, bool is_quantized) {
    const auto in = static_cast<float>(got.x.view().shape[1]);
    const bool is_f8 = is_quantized || got.x.view().dtype == DType::kF8E4M3;
    const float noise = is_quantized ? 0.0625F : 0.0F;
    expect_near(got.y, expected.y, 1e-5F + noise,
                (is_f8 ? 0x1.0p-13F * (1 + in / 1024) : 4e-6F) * in + 3 * noise * std::sqrt(in));
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
    for_each_device([&](device::Stream& stream) {
      Array y(types.y, {tokens, out});
      OnDevice on(stream);
      LinearArgs there = both;
      there.x = on(x);
      there.weight.blocks[0] = {.weight = on(w1)};
      there.weight.blocks[1] = {.weight = on(w2), .bias = on(bias)};
      there.y = on(y);
      linear(there, stream);
      on.finish();
      expect_near(y, expected, 1e-5F, 4e-6F * static_cast<float>(in));
    });
  }
}

TEST_F(LinearTest, AddsToWhatIsThere) {
  for (const Types& types : kTypes) {
    if (types.y != DType::kF32) continue;
    for (const std::int64_t tokens : {1, 7, 40}) {
      const Product start = product(types, tokens, 8 * between(1, 40), 8 * between(1, 12));
      Product expected = start;
      LinearArgs host = args(expected, [](const Array& array) { return array.view(); });
      host.accumulate = true;
      linear_reference(host);
      for_each_device([&](device::Stream& stream) {
        Product got = start;
        OnDevice on(stream);
        LinearArgs there = args(got, on);
        there.accumulate = true;
        linear(there, stream);
        on.finish();
        expect_product(got, expected, false);
      });
    }
  }
}

// Sizes around every border: units of 16 bytes, tiles, what goes to the library.
TEST_F(LinearTest, MatchesTheReferenceOnTheGpu) {
  for_the_gpu([&](device::Stream& stream) {
    const auto prepared = prepare_linear(stream.device());
    ASSERT_TRUE(prepared) << prepared.error().text();
    auto scratch = stream.device().allocate(
        static_cast<std::size_t>(linear_workspace_bytes(stream.device(), 300, 1100)));
    ASSERT_TRUE(scratch) << scratch.error().text();
    const tensor::MutableView workspace{
        scratch->data(), DType::kU8, {static_cast<std::int64_t>(scratch->size_bytes())}};
    for (const auto& list : {std::span<const Types>(kTypes), std::span<const Types>(kGpuTypes)}) {
      for (const Types& types : list) {
        for (const std::int64_t tokens : {1, 3, 8, 9, 17, 33, 64, 65, 130, 300}) {
          const bool is_odd = between(0, 3) == 0;
          const std::int64_t in = is_odd ? between(1, 1100) : 16 * between(1, 68);
          const std::int64_t out = is_odd ? between(1, 200) : 16 * between(1, 20);
          Product start = product(types, tokens, in, out);
          start.has_bias = between(0, 1) == 0;
          Product expected = start;
          linear_reference(args(expected, [](const Array& array) { return array.view(); }));
          for (const bool batch_invariant : {false, true}) {
            SCOPED_TRACE(fmt::format("{} by {} to {}, {} tokens, {} to {}, invariant {}",
                                     name(types.x), name(types.w), name(types.y), tokens, in, out,
                                     batch_invariant));
            Product got = start;
            OnDevice on(stream);
            LinearArgs there = args(got, on);
            there.batch_invariant = batch_invariant;
            if (between(0, 3) > 0) there.workspace = workspace;
            linear(there, stream);
            on.finish();
            const bool is_quantized = types.w == DType::kF8E4M3 && types.x != types.w;
            expect_product(got, expected, is_quantized && !batch_invariant);
          }
        }
      }
    }
  });
}

// Some rows alone have the bits that they have in the whole, where nothing may depend on the batch.
class InvariantLinearTest : public LinearTest {
 protected:
  void expect_same_bits(const Types& types, std::int64_t in, std::int64_t out,
                        const tensor::MutableView& workspace, device::Stream& stream) {
    constexpr std::int64_t kTokens = 290;
    const Product whole = product(types, kTokens, in, out);
    for (const std::int64_t count : {290, 1, 3, 8, 9, 40, 64, 65, 130}) {
      const std::int64_t first = between(0, kTokens - count);
      Array y(types.y, {count, out});
      OnDevice on(stream);
      LinearArgs there = args(whole, on);
      there.batch_invariant = true;
      there.workspace = workspace;
      linear(there, stream);
      const auto skip = static_cast<std::size_t>(first * in) * tensor::size_bytes(types.x);
      there.x = {static_cast<const std::byte*>(there.x.data) + skip, types.x, {count, in}};
      if (!there.x_scales.empty()) {
        there.x_scales = {there.x_scales.as<float>() + first, DType::kF32, {count}};
      }
      there.y = on(y);
      linear(there, stream);
      on.finish();
      const auto row_bytes = static_cast<std::size_t>(out) * tensor::size_bytes(types.y);
      EXPECT_EQ(std::memcmp(y.view().data,
                            static_cast<const std::byte*>(whole.y.view().data) +
                                static_cast<std::size_t>(first) * row_bytes,
                            static_cast<std::size_t>(count) * row_bytes),
                0)
          << name(types.x) << " by " << name(types.w) << ", " << count << " tokens of " << in;
    }
  }
};

TEST_F(InvariantLinearTest, OwnKernelsDo) {
  for_the_gpu([&](device::Stream& stream) {
    auto scratch = stream.device().allocate(
        static_cast<std::size_t>(linear_workspace_bytes(stream.device(), 290, 4096)));
    ASSERT_TRUE(scratch) << scratch.error().text();
    const tensor::MutableView workspace{
        scratch->data(), DType::kU8, {static_cast<std::int64_t>(scratch->size_bytes())}};
    for (const Types& types : {kTypes[0], kTypes[3], kTypes[4], kGpuTypes[0], kGpuTypes[2],
                               kGpuTypes[3], kGpuTypes[4]}) {
      for (const std::int64_t in : {1104, 4096, 77}) {
        expect_same_bits(types, in, 210, in != 1104 ? workspace : tensor::MutableView{}, stream);
      }
    }
  });
}

TEST_F(InvariantLinearTest, TheLibraryDoesWhereItWasFoundTo) {
  for_the_gpu([&](device::Stream& stream) {
    std::vector<LinearShape> shapes;
    for (const std::int64_t in : {512, 4096, 11008}) {
      shapes.push_back({.in = in, .out = 384, .batch_invariant = true});
      shapes.push_back({.in = in, .out = 384, .y_type = DType::kF32, .batch_invariant = true});
      if (!stream.device().supports(DType::kF8E4M3)) continue;
      shapes.push_back(
          {.in = in, .out = 384, .weight_type = DType::kF8E4M3, .batch_invariant = true});
    }
    const auto prepared = prepare_linear(stream.device(), shapes, 512);
    ASSERT_TRUE(prepared) << prepared.error().text();
    auto scratch = stream.device().allocate(
        static_cast<std::size_t>(linear_workspace_bytes(stream.device(), 290, 11008)));
    ASSERT_TRUE(scratch) << scratch.error().text();
    for (const LinearShape& shape : shapes) {
      expect_same_bits(
          {shape.x_type, shape.weight_type, DType::kBF16, shape.y_type}, shape.in, shape.out,
          {scratch->data(), DType::kU8, {static_cast<std::int64_t>(scratch->size_bytes())}},
          stream);
    }
  });
}

TEST_F(LinearTest, ComputesTheSameAfterMeasuring) {
  for_the_gpu([&](device::Stream& stream) {
    const LinearShape shapes[] = {
        {.in = 512, .out = 384},
        {.in = 512, .out = 384, .y_type = DType::kF32, .accumulate = true},
        {.in = 512, .out = 384, .weight_type = DType::kF8E4M3}};
    const auto prepared = prepare_linear(stream.device(), shapes, 64);
    ASSERT_TRUE(prepared) << prepared.error().text();
    for (const LinearShape& shape : shapes) {
      for (const std::int64_t tokens : {9, 16, 20, 64}) {
        const Types types{shape.x_type, shape.weight_type, DType::kBF16, shape.y_type};
        const Product start = product(types, tokens, shape.in, shape.out);
        Product expected = start;
        LinearArgs host = args(expected, [](const Array& array) { return array.view(); });
        host.accumulate = shape.accumulate;
        linear_reference(host);
        Product got = start;
        OnDevice on(stream);
        LinearArgs there = args(got, on);
        there.accumulate = shape.accumulate;
        linear(there, stream);
        on.finish();
        expect_product(got, expected, shape.weight_type == DType::kF8E4M3);
      }
    }
  });
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
