// paged_attention over a random paged cache: reference, chunks, batches.
#include "kernels/paged_attention/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/paged_kv_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class PagedAttentionTest : public PagedKvTest {};

TEST_F(PagedAttentionTest, MatchesTheReference) {
  for (const Heads& heads : kHeads) {
    for (const DType cache_dtype : kCacheTypes) {
      const DType dtype = between(0, 1) == 0 ? DType::kF32 : DType::kBF16;
      make_sequences(3, 70);
      std::vector<Chunk> chunks;
      std::int64_t tokens = 0;
      for (std::int64_t i = 0; i < 3; ++i) {
        const std::int64_t count = between(1, lengths_[static_cast<std::size_t>(i)]);
        chunks.push_back({i, lengths_[static_cast<std::size_t>(i)] - count, count});
        tokens += count;
      }
      const Batch batch = batch_of(chunks);
      const tensor::Shape half{3 * max_blocks_, heads.kv, kBlockTokens, heads.dim};
      const CacheArrays cache = normal_cache(cache_dtype, half);
      const Array q = normal(dtype, {tokens, heads.query, heads.dim}, 2.0F);
      Array expected(dtype, q.view().shape);
      PagedAttentionArgs args{.q = q,
                              .batch = batch.ragged(),
                              .cache = cache.paged(),
                              .scale = 1.0F / std::sqrt(static_cast<float>(heads.dim)),
                              .y = expected};
      paged_attention_reference(args);
      for_each_variant([&](device::Stream& stream) {
        Array y(dtype, q.view().shape);
        args.y = y;
        paged_attention(args, stream);
        expect_near(y, expected, 1e-5F, 3e-5F);
      });
    }
  }
}

TEST_F(PagedAttentionTest, BitsDependNeitherOnChunksNorOnTheBatch) {
  const Heads heads{14, 2, 32};
  make_sequences(2, 90);
  lengths_[0] = 77;
  const tensor::Shape half{2 * max_blocks_, heads.kv, kBlockTokens, heads.dim};
  const Array q = normal(DType::kF32, {77, heads.query, heads.dim}, 3.0F);
  const std::int64_t row = heads.query * heads.dim;
  const auto run = [&](const std::vector<Chunk>& chunks, const Array& queries,
                       const CacheArrays& cache, device::Stream& stream) {
    const Batch batch = batch_of(chunks);
    Array y(DType::kF32, queries.view().shape);
    paged_attention(
        {.q = queries, .batch = batch.ragged(), .cache = cache.paged(), .scale = 0.2F, .y = y},
        stream);
    return y;
  };
  for (const DType cache_dtype : {DType::kBF16, DType::kI8}) {
    const CacheArrays cache = normal_cache(cache_dtype, half);
    for_each_variant([&](device::Stream& stream) {
      const Array whole = run({{0, 0, 77}}, q, cache, stream);
      for (std::int64_t first = 0; first < 77;) {
        const std::int64_t count = between(1, std::min<std::int64_t>(30, 77 - first));
        // The other sequence's row stands before this one's.
        Array queries = normal(DType::kF32, {1 + count, heads.query, heads.dim});
        std::memcpy(queries.view().as<float>() + row, q.view().as<float>() + first * row,
                    static_cast<std::size_t>(count * row) * sizeof(float));
        const Array part =
            run({{1, lengths_[1] - 1, 1}, {0, first, count}}, queries, cache, stream);
        EXPECT_EQ(std::memcmp(part.view().as<float>() + row, whole.view().as<float>() + first * row,
                              static_cast<std::size_t>(count * row) * sizeof(float)),
                  0);
        first += count;
      }
    });
  }
}

}  // namespace
}  // namespace fathom::kernels
