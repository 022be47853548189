// rope_kv_append and paged_attention over a random paged cache: references, chunks, batches.
#include "kernels/paged_attention/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "kernels/kernel_test_data.h"
#include "kernels/rope_kv_append/rope_kv_append.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

struct Heads {
  std::int64_t query, kv, dim;
};
constexpr Heads kHeads[] = {{2, 2, 64}, {14, 2, 16}, {7, 1, 128}, {4, 2, 22}, {32, 32, 8}};

// One sequence's rows of a step.
struct Chunk {
  std::int64_t sequence, first, count;
};

class PagedAttentionTest : public KernelTest {
 protected:
  // Sequences of random lengths whose blocks are shuffled over the cache.
  void make_sequences(std::int64_t num_sequences, std::int64_t max_length) {
    lengths_.clear();
    max_blocks_ = (max_length + kBlockTokens - 1) / kBlockTokens;
    std::vector<std::int32_t> blocks(static_cast<std::size_t>(num_sequences * max_blocks_));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), random_);
    tables_ = blocks;
    for (std::int64_t i = 0; i < num_sequences; ++i) lengths_.push_back(between(1, max_length));
  }

  struct Batch {
    Array positions, slots, starts, lens, tables;
    RaggedBatch ragged() const { return {positions, slots, starts, lens, tables}; }
  };

  Batch batch_of(const std::vector<Chunk>& chunks) const {
    std::vector<std::int32_t> positions, slots, starts{0}, lens, tables;
    for (const Chunk& chunk : chunks) {
      const auto table = static_cast<std::size_t>(chunk.sequence * max_blocks_);
      for (std::int64_t p = chunk.first; p < chunk.first + chunk.count; ++p) {
        positions.push_back(static_cast<std::int32_t>(p));
        slots.push_back(static_cast<std::int32_t>(
            tables_[table + static_cast<std::size_t>(p / kBlockTokens)] * kBlockTokens +
            p % kBlockTokens));
      }
      starts.push_back(static_cast<std::int32_t>(positions.size()));
      lens.push_back(static_cast<std::int32_t>(chunk.first + chunk.count));
      for (std::int64_t i = 0; i < max_blocks_; ++i) {
        tables.push_back(tables_[table + static_cast<std::size_t>(i)]);
      }
    }
    Array table_array(DType::kI32, {std::ssize(chunks), max_blocks_});
    table_array.set_ints(tables);
    return {ints(positions), ints(slots), ints(starts), ints(lens), std::move(table_array)};
  }

  PagedKv cache(const Array& keys, const Array& values) { return {keys, values}; }

  static constexpr std::int64_t kBlockTokens = 16;
  std::int64_t max_blocks_ = 0;
  std::vector<std::int64_t> lengths_;
  std::vector<std::int32_t> tables_;
};

TEST_F(PagedAttentionTest, MatchesTheReference) {
  for (const Heads& heads : kHeads) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const DType cache_dtype = between(0, 1) == 0 ? DType::kF32 : DType::kBF16;
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
      const Array keys = normal(cache_dtype, half);
      const Array values = normal(cache_dtype, half);
      const Array q = normal(dtype, {tokens, heads.query, heads.dim}, 2.0F);
      Array expected(dtype, q.view().shape);
      PagedAttentionArgs args{.q = q,
                              .batch = batch.ragged(),
                              .cache = cache(keys, values),
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

TEST_F(PagedAttentionTest, AppendsAndRotatesAsTheReferenceDoes) {
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

TEST_F(PagedAttentionTest, BitsDependNeitherOnChunksNorOnTheBatch) {
  const Heads heads{14, 2, 32};
  make_sequences(2, 90);
  lengths_[0] = 77;
  const tensor::Shape half{2 * max_blocks_, heads.kv, kBlockTokens, heads.dim};
  const Array keys = normal(DType::kBF16, half);
  const Array values = normal(DType::kBF16, half);
  const Array q = normal(DType::kF32, {77, heads.query, heads.dim}, 3.0F);
  const std::int64_t row = heads.query * heads.dim;
  const auto run = [&](const std::vector<Chunk>& chunks, const Array& queries,
                       device::Stream& stream) {
    const Batch batch = batch_of(chunks);
    Array y(DType::kF32, queries.view().shape);
    paged_attention({.q = queries,
                     .batch = batch.ragged(),
                     .cache = cache(keys, values),
                     .scale = 0.2F,
                     .y = y},
                    stream);
    return y;
  };
  for_each_variant([&](device::Stream& stream) {
    const Array whole = run({{0, 0, 77}}, q, stream);
    for (std::int64_t first = 0; first < 77;) {
      const std::int64_t count = between(1, std::min<std::int64_t>(30, 77 - first));
      // The other sequence's row stands before this one's.
      Array queries = normal(DType::kF32, {1 + count, heads.query, heads.dim});
      std::memcpy(queries.view().as<float>() + row, q.view().as<float>() + first * row,
                  static_cast<std::size_t>(count * row) * sizeof(float));
      const Array part = run({{1, lengths_[1] - 1, 1}, {0, first, count}}, queries, stream);
      EXPECT_EQ(std::memcmp(part.view().as<float>() + row, whole.view().as<float>() + first * row,
                            static_cast<std::size_t>(count * row) * sizeof(float)),
                0);
      first += count;
    }
  });
}

}  // namespace
}  // namespace fathom::kernels
