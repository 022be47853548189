// paged_attention over a random paged cache: reference, chunks, batches.
#include "kernels/paged_attention/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/paged_kv_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class PagedAttentionTest : public PagedKvTest {
 protected:
  struct Case {
    Batch batch;
    Array q;
    CacheArrays cache;
    bool batch_invariant = false;
  };

  Case make_case(DType dtype, DType cache_dtype, const Heads& heads,
                 const std::vector<Chunk>& chunks) {
    Batch batch = batch_of(chunks);
    const std::int64_t tokens = batch.positions.size();
    const std::int64_t num_blocks = std::ssize(tables_);
    return {std::move(batch), normal(dtype, {tokens, heads.query, heads.dim}, 2.0F),
            normal_cache(cache_dtype, {num_blocks, heads.kv, block_tokens_, heads.dim})};
  }

  // Runs twice over one workspace: it must be left as the next call needs it, and the same batch
  // must give the same bits.
  static Array run(const Case& test, device::Stream& stream) {
    const tensor::Shape& shape = test.q.view().shape;
    Array y(test.q.view().dtype, shape);
    Array again(test.q.view().dtype, shape);
    std::memset(y.view().data, 0xFF, y.view().num_bytes());
    OnDevice on(stream);
    const Array workspace(DType::kF32, {paged_attention_workspace_floats(
                                           shape[0], shape[1], shape[2], stream.device())});
    PagedAttentionArgs args{.q = on(test.q),
                            .batch = test.batch.ragged(on),
                            .cache = test.cache.paged(on),
                            .scale = 1.0F / std::sqrt(static_cast<float>(shape[2])),
                            .y = on(y),
                            .workspace = on(workspace),
                            .batch_invariant = test.batch_invariant};
    paged_attention(args, stream);
    args.y = on(again);
    paged_attention(args, stream);
    on.finish();
    expect_equal_bits(y, again);
    return y;
  }

  static void expect_as_reference(const Case& test, device::Stream& stream) {
    Array expected(test.q.view().dtype, test.q.view().shape);
    paged_attention_reference(
        {.q = test.q,
         .batch = test.batch.ragged(),
         .cache = test.cache.paged(),
         .scale = 1.0F / std::sqrt(static_cast<float>(test.q.view().shape[2])),
         .y = expected});
    // Weights in 16 bits: their roundings mostly cancel.
    const bool is_narrow = tensor::size_bytes(test.q.view().dtype) == 2 &&
                           stream.device().kind() == device::DeviceKind::kCuda;
    expect_near(run(test, stream), expected, 1e-5F, is_narrow ? 4e-3F : 3e-5F);
  }

  // The last rows of each sequence, so many or all.
  std::vector<Chunk> last_rows(std::int64_t max_rows) {
    std::vector<Chunk> chunks;
    for (std::int64_t i = 0; i < std::ssize(lengths_); ++i) {
      const std::int64_t length = lengths_[static_cast<std::size_t>(i)];
      const std::int64_t count = between(1, std::min(max_rows, length));
      chunks.push_back({i, length - count, count});
    }
    return chunks;
  }
};

TEST_F(PagedAttentionTest, MatchesTheReference) {
  for (const Heads& heads : kHeads) {
    for (const DType cache_dtype : kCacheTypes) {
      make_sequences(3, 70);
      const DType dtype = between(0, 1) == 0 ? DType::kF32 : DType::kBF16;
      const Case test = make_case(dtype, cache_dtype, heads, last_rows(70));
      for_each_device([&](device::Stream& stream) { expect_as_reference(test, stream); });
    }
  }
}

struct Types {
  DType activation, cache;
};
// What a GPU has tensor-core kernels for, and some that it has not.
constexpr Types kGpuTypes[] = {{DType::kBF16, DType::kBF16},   {DType::kF16, DType::kF16},
                               {DType::kBF16, DType::kF8E4M3}, {DType::kF16, DType::kF8E4M3},
                               {DType::kBF16, DType::kI8},     {DType::kF16, DType::kI8},
                               {DType::kF32, DType::kF16},     {DType::kBF16, DType::kF16}};
constexpr Heads kGpuHeads[] = {{4, 4, 128}, {4, 2, 64}, {7, 1, 128}, {8, 1, 64},
                               {28, 4, 64}, {2, 1, 80}, {2, 2, 256}, {18, 1, 64}};

TEST_F(PagedAttentionTest, DecodesLongContextsOnTheGpu) {
  for_the_gpu([&](device::Stream& stream) {
    for (const Types types : kGpuTypes) {
      for (const Heads& heads : kGpuHeads) {
        const ::testing::ScopedTrace trace(__FILE__, __LINE__,
                                           std::string(tensor::name(types.cache)) + " " +
                                               std::to_string(heads.query) + "/" +
                                               std::to_string(heads.dim));
        block_tokens_ = between(0, 1) == 0 ? 16 : std::int64_t{1} << between(0, 6);
        make_sequences(between(1, 4), between(0, 1) == 0 ? 1500 : 150);
        expect_as_reference(
            make_case(types.activation, types.cache, heads, last_rows(between(1, 2))), stream);
      }
    }
  });
}

TEST_F(PagedAttentionTest, MixesChunksAndDecodeOnTheGpu) {
  for_the_gpu([&](device::Stream& stream) {
    for (const Types types : kGpuTypes) {
      for (const Heads& heads : kGpuHeads) {
        const ::testing::ScopedTrace trace(__FILE__, __LINE__,
                                           std::string(tensor::name(types.cache)) + " " +
                                               std::to_string(heads.query) + "/" +
                                               std::to_string(heads.dim));
        block_tokens_ = between(0, 1) == 0 ? 16 : 64;
        make_sequences(4, 300);
        lengths_[1] = 200;
        // A decode row, a chunk, a padding row, a short chunk, another padding row.
        const std::vector<Chunk> chunks{{0, lengths_[0] - 1, 1},
                                        {1, 200 - between(20, 60), between(10, 20)},
                                        {2, 0, 0},
                                        {3, 0, std::min<std::int64_t>(lengths_[3], 5)},
                                        {2, 0, 0}};
        Case test = make_case(types.activation, types.cache, heads, chunks);
        expect_as_reference(test, stream);
        test.batch_invariant = true;
        expect_as_reference(test, stream);
      }
    }
  });
}

TEST_F(PagedAttentionTest, PrefillsOnTheGpu) {
  for_the_gpu([&](device::Stream& stream) {
    for (const Types types : kGpuTypes) {
      for (const Heads& heads : {Heads{2, 2, 128}, {7, 1, 64}}) {
        make_sequences(1, 400);
        lengths_ = {between(250, 400)};
        expect_as_reference(make_case(types.activation, types.cache, heads, last_rows(400)),
                            stream);
      }
    }
  });
}

TEST_F(PagedAttentionTest, BitsDependNeitherOnChunksNorOnTheBatch) {
  const auto rows_of = [](const Array& array, std::int64_t first) {
    const tensor::Shape& shape = array.view().shape;
    return static_cast<std::byte*>(array.view().data) +
           static_cast<std::size_t>(first * shape[1] * shape[2]) *
               tensor::size_bytes(array.view().dtype);
  };
  const auto test = [&](DType dtype, DType cache_dtype, const Heads& heads, std::int64_t length,
                        device::Stream& stream) {
    make_sequences(2, length + 13);
    lengths_[0] = length;
    Case whole = make_case(dtype, cache_dtype, heads, {{0, 0, length}});
    whole.batch_invariant = true;
    const Array expected = run(whole, stream);
    for (std::int64_t first = 0; first < length;) {
      const std::int64_t count = between(1, std::min(between(1, 2) * 30, length - first));
      // The other sequence's row stands before this one's, and a padding row between.
      const std::vector<Chunk> chunks{{1, lengths_[1] - 1, 1}, {1, 0, 0}, {0, first, count}};
      Case part{batch_of(chunks), normal(dtype, {2 + count, heads.query, heads.dim}), whole.cache,
                true};
      const std::size_t num_bytes =
          static_cast<std::size_t>(count * heads.query * heads.dim) * tensor::size_bytes(dtype);
      std::memcpy(rows_of(part.q, 2), rows_of(whole.q, first), num_bytes);
      const Array y = run(part, stream);
      EXPECT_EQ(std::memcmp(rows_of(y, 2), rows_of(expected, first), num_bytes), 0);
      first += count;
    }
  };
  for (const DType cache_dtype : {DType::kBF16, DType::kI8}) {
    for_each_device(
        [&](device::Stream& stream) { test(DType::kF32, cache_dtype, {14, 2, 32}, 77, stream); });
  }
  if (gpu() == nullptr) return;
  for_the_gpu([&](device::Stream& stream) {
    for (const Types types : kGpuTypes) {
      test(types.activation, types.cache, {14, 2, 128}, 400, stream);
      test(types.activation, types.cache, {2, 2, 64}, 700, stream);
    }
  });
}

TEST_F(PagedAttentionTest, PaddingRowsAreZero) {
  for_each_device([&](device::Stream& stream) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (const bool batch_invariant : {false, true}) {
        make_sequences(1, 50);
        Case test = make_case(dtype, dtype, {4, 2, 64},
                              {{0, 0, 0}, {0, lengths_[0] - 1, 1}, {0, 0, 0}, {0, 0, 0}});
        test.batch_invariant = batch_invariant;
        const Array y = run(test, stream);
        for (std::int64_t i = 0; i < y.size(); ++i) {
          if (i / (4 * 64) != 1) {
            ASSERT_EQ(y[i], 0.0F);
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace fathom::kernels
