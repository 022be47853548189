// rope_kv_append against its reference over a random paged cache.
#include "kernels/rope_kv_append/rope_kv_append.h"

#include "kernels/paged_kv_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class RopeKvAppendTest : public PagedKvTest {};

TEST_F(RopeKvAppendTest, AppendsAndRotatesAsTheReferenceDoes) {
  for (const Heads& heads : kHeads) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const DType cache_dtype = between(0, 1) == 0 ? DType::kF32 : DType::kBF16;
      make_sequences(2, 40);
      const std::vector<Chunk> chunks = {{0, 0, lengths_[0]}, {1, lengths_[1] - 1, 1}};
      Batch batch = batch_of(chunks);
      const std::int64_t tokens = lengths_[0] + 1;
      batch.slots.view().as<std::int32_t>()[0] = -1;
      const tensor::Shape half{2 * max_blocks_, heads.kv, kBlockTokens, heads.dim};
      const Array qkv = normal(dtype, {tokens, (heads.query + 2 * heads.kv) * heads.dim});
      const Array cos_sin = normal(DType::kF32, {40, 2, heads.dim / 2});
      Array expected_q(dtype, {tokens, heads.query, heads.dim});
      Array expected_keys(cache_dtype, half);
      Array expected_values(cache_dtype, half);
      RopeKvAppendArgs args{.qkv = qkv,
                            .cos_sin = cos_sin,
                            .batch = batch.ragged(),
                            .q = expected_q,
                            .cache = cache(expected_keys, expected_values)};
      rope_kv_append_reference(args);
      for_each_variant([&](device::Stream& stream) {
        Array q(dtype, expected_q.view().shape);
        Array keys(cache_dtype, half);
        Array values(cache_dtype, half);
        args.q = q;
        args.cache = cache(keys, values);
        rope_kv_append(args, stream);
        expect_near(q, expected_q, 1e-5F, 1e-5F);
        expect_near(keys, expected_keys, 1e-5F, 1e-5F);
        expect_equal_bits(values, expected_values);
      });
    }
  }
}

}  // namespace
}  // namespace fathom::kernels
