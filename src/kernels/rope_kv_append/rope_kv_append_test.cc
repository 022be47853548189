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
  // A prompt and a later token of another sequence, whose first row is not appended.
  struct Case {
    Batch batch;
    Array qkv, cos_sin, q;
    CacheArrays cache;  // what the reference wrote
  };

  Case make_case(DType dtype, DType cache_dtype, const Heads& heads) {
    make_sequences(2, 40);
    const std::int64_t tokens = lengths_[0] + 1;
    Case test{.batch = batch_of({{0, 0, lengths_[0]}, {1, lengths_[1] - 1, 1}}),
              .qkv = normal(dtype, {tokens, (heads.query + 2 * heads.kv) * heads.dim}),
              .cos_sin = normal(DType::kF32, {40, 2, heads.dim / 2}),
              .q = Array(dtype, {tokens, heads.query, heads.dim}),
              .cache = {cache_dtype, {2 * max_blocks_, heads.kv, block_tokens_, heads.dim}}};
    test.batch.slots.view().as<std::int32_t>()[0] = -1;
    rope_kv_append_reference({.qkv = test.qkv,
                              .cos_sin = test.cos_sin,
                              .batch = test.batch.ragged(),
                              .q = test.q,
                              .cache = test.cache.paged()});
    return test;
  }

  static void expect_as_reference(const Case& test, device::Stream& stream) {
    Array q(test.q.view().dtype, test.q.view().shape);
    const CacheArrays cache(test.cache.keys.view().dtype, test.cache.keys.view().shape);
    OnDevice on(stream);
    rope_kv_append({.qkv = on(test.qkv),
                    .cos_sin = on(test.cos_sin),
                    .batch = test.batch.ragged(on),
                    .q = on(q),
                    .cache = cache.paged(on)},
                   stream);
    on.finish();
    expect_near(q, test.q, 1e-5F, 1e-5F);
    expect_keys_near(cache, test.cache);
    expect_equal_bits(cache.values, test.cache.values);
    expect_equal_bits(cache.value_scales, test.cache.value_scales);
  }

  // 8-bit numbers may differ by one step where rotations that differ in their last bit round.
  static void expect_keys_near(const CacheArrays& a, const CacheArrays& b) {
    if (tensor::size_bytes(b.keys.view().dtype) != 1) {
      expect_near(a.keys, b.keys, 1e-5F, 1e-5F);
      return;
    }
    const bool is_float = b.keys.view().dtype == DType::kF8E4M3;
    if (!is_float) expect_near(a.key_scales, b.key_scales, 1e-5F, 0.0F);
    std::int64_t num_different = 0;
    for (std::int64_t i = 0; i < a.keys.size(); ++i) {
      ASSERT_LE(std::abs(a.keys[i] - b.keys[i]),
                is_float ? std::abs(b.keys[i]) / 8 + 0x1.0p-9F : 1.0F);
      num_different += a.keys[i] != b.keys[i] ? 1 : 0;
    }
    EXPECT_LE(num_different, 2 + a.keys.size() / 1000);
  }
};

TEST_F(RopeKvAppendTest, AppendsAndRotatesAsTheReferenceDoes) {
  for (const Heads& heads : kHeads) {
    for (const DType cache_dtype : kCacheTypes) {
      const Case test =
          make_case(between(0, 1) == 0 ? DType::kF32 : DType::kBF16, cache_dtype, heads);
      for_each_device([&](device::Stream& stream) { expect_as_reference(test, stream); });
    }
  }
}

TEST_F(RopeKvAppendTest, HasTheGpusTypes) {
  for_the_gpu([&](device::Stream& stream) {
    for (const Heads& heads :
         {Heads{28, 4, 128}, {3, 3, 64}, {2, 1, 80}, {2, 2, 256}, {1, 1, 512}}) {
      for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
        for (const DType cache_dtype : kGpuCacheTypes) {
          block_tokens_ = std::int64_t{1} << between(0, 6);
          expect_as_reference(make_case(dtype, cache_dtype, heads), stream);
        }
      }
    }
  });
}

TEST_F(RopeKvAppendTest, Int8IsWithinHalfAScale) {
  // Rows of one head: a zero vector, a tiny one, one with a NaN, one with an infinity, and others.
  constexpr std::int64_t kTokens = 30;
  constexpr std::int64_t kDim = 44;
  make_sequences(1, kTokens);
  const Batch batch = batch_of({{0, 0, kTokens}});
  const tensor::Shape half{max_blocks_, 1, block_tokens_, kDim};
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
  for_each_device([&](device::Stream& stream) {
    const CacheArrays cache(DType::kI8, half);
    OnDevice on(stream);
    rope_kv_append({.qkv = on(qkv),
                    .cos_sin = on(cos_sin),
                    .batch = batch.ragged(on),
                    .q = on(q),
                    .cache = cache.paged(on)},
                   stream);
    on.finish();
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
