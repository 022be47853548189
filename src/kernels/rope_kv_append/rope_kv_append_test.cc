// rope_kv_append against its reference over a random paged cache.
#include "kernels/rope_kv_append/rope_kv_append.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/paged_kv_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class RopeKvAppendTest : public PagedKvTest {
 protected:
  // Whole numbers may differ by one where rotations that differ in their last bit round.
  static void expect_keys_near(const CacheArrays& a, const CacheArrays& b) {
    if (b.keys.view().dtype != DType::kI8) {
      expect_near(a.keys, b.keys, 1e-5F, 1e-5F);
      return;
    }
    expect_near(a.key_scales, b.key_scales, 1e-5F, 0.0F);
    std::int64_t num_different = 0;
    for (std::int64_t i = 0; i < a.keys.size(); ++i) {
      ASSERT_LE(std::abs(a.keys[i] - b.keys[i]), 1.0F);
      num_different += a.keys[i] != b.keys[i] ? 1 : 0;
    }
    EXPECT_LE(num_different, 2 + a.keys.size() / 1000);
  }
};

TEST_F(RopeKvAppendTest, AppendsAndRotatesAsTheReferenceDoes) {
  for (const Heads& heads : kHeads) {
    for (const DType cache_dtype : kCacheTypes) {
      const DType dtype = between(0, 1) == 0 ? DType::kF32 : DType::kBF16;
      make_sequences(2, 40);
      const std::vector<Chunk> chunks = {{0, 0, lengths_[0]}, {1, lengths_[1] - 1, 1}};
      Batch batch = batch_of(chunks);
      const std::int64_t tokens = lengths_[0] + 1;
      batch.slots.view().as<std::int32_t>()[0] = -1;
      const tensor::Shape half{2 * max_blocks_, heads.kv, kBlockTokens, heads.dim};
      const Array qkv = normal(dtype, {tokens, (heads.query + 2 * heads.kv) * heads.dim});
      const Array cos_sin = normal(DType::kF32, {40, 2, heads.dim / 2});
      Array expected_q(dtype, {tokens, heads.query, heads.dim});
      const CacheArrays expected(cache_dtype, half);
      RopeKvAppendArgs args{.qkv = qkv,
                            .cos_sin = cos_sin,
                            .batch = batch.ragged(),
                            .q = expected_q,
                            .cache = expected.paged()};
      rope_kv_append_reference(args);
      for_each_variant([&](device::Stream& stream) {
        Array q(dtype, expected_q.view().shape);
        const CacheArrays cache(cache_dtype, half);
        args.q = q;
        args.cache = cache.paged();
        rope_kv_append(args, stream);
        expect_near(q, expected_q, 1e-5F, 1e-5F);
        expect_keys_near(cache, expected);
        expect_equal_bits(cache.values, expected.values);
        expect_equal_bits(cache.value_scales, expected.value_scales);
      });
    }
  }
}

TEST_F(RopeKvAppendTest, Int8IsWithinHalfAScale) {
  // Rows of one head: a zero vector, a tiny one, one with a NaN, one with an infinity, and others.
  constexpr std::int64_t kTokens = 30;
  constexpr std::int64_t kDim = 44;
  make_sequences(1, kTokens);
  const Batch batch = batch_of({{0, 0, kTokens}});
  const tensor::Shape half{max_blocks_, 1, kBlockTokens, kDim};
  const Array qkv = normal(DType::kF32, {kTokens, 3 * kDim});
  Array cos_sin(DType::kF32, {kTokens, 2, kDim / 2});
  for (std::int64_t i = 0; i < cos_sin.size(); ++i) {
    set(cos_sin, i, i % kDim < kDim / 2 ? 1.0F : 0.0F);  // no turn
  }
  float* x = qkv.view().as<float>();
  for (std::int64_t i = kDim; i < 3 * kDim; ++i) {
    x[i] = 0.0F;
    x[3 * kDim + i] = std::numeric_limits<float>::denorm_min() * static_cast<float>(i * 3);
  }
  x[2 * 3 * kDim + 2 * kDim + 3] = std::numeric_limits<float>::quiet_NaN();
  x[3 * 3 * kDim + 2 * kDim + 3] = -std::numeric_limits<float>::infinity();
  Array q(DType::kF32, {kTokens, 1, kDim});
  for_each_variant([&](device::Stream& stream) {
    const CacheArrays cache(DType::kI8, half);
    rope_kv_append(
        {.qkv = qkv, .cos_sin = cos_sin, .batch = batch.ragged(), .q = q, .cache = cache.paged()},
        stream);
    for (std::int64_t row = 0; row < kTokens; ++row) {
      const std::int64_t slot = batch.slots.view().as<std::int32_t>()[row];
      const float key_scale = cache.key_scales[slot];
      const float value_scale = cache.value_scales[slot];
      EXPECT_EQ(std::isnan(value_scale), row == 2 || row == 3);
      EXPECT_EQ(key_scale == 0.0F, row == 0);
      // A subnormal scale has few bits, so that its largest numbers are cut off at 127.
      const float most = row == 1 ? 5.0F : 0.501F;
      for (std::int64_t i = 0; i < kDim && row != 2 && row != 3; ++i) {
        const float key = x[row * 3 * kDim + kDim + i];
        const float value = x[row * 3 * kDim + 2 * kDim + i];
        EXPECT_LE(std::abs(cache.keys[slot * kDim + i] * key_scale - key), most * key_scale);
        EXPECT_LE(std::abs(cache.values[slot * kDim + i] * value_scale - value),
                  most * value_scale);
      }
    }
  });
}

}  // namespace
}  // namespace fathom::kernels
