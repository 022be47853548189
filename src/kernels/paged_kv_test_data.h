// Sequences in a random paged cache, and ragged batches of them, for the tests of what uses it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/kernel_test_data.h"
#include "kernels/paged_kv.h"

namespace fathom::kernels {

struct Heads {
  std::int64_t query, kv, dim;
};
inline constexpr Heads kHeads[] = {{2, 2, 64}, {14, 2, 16}, {7, 1, 128}, {4, 2, 22}, {32, 32, 8}};

// The arrays of a cache; one that is not i8 has scales that nothing reads.
struct CacheArrays {
  CacheArrays(tensor::DType dtype, tensor::Shape half)
      : keys(dtype, half),
        values(dtype, half),
        key_scales(tensor::DType::kF32, {half[0], half[1], half[2]}),
        value_scales(tensor::DType::kF32, {half[0], half[1], half[2]}) {}
  PagedKv paged() const { return {keys, values, key_scales, value_scales}; }
  Array keys, values, key_scales, value_scales;
};

// One sequence's rows of a step.
struct Chunk {
  std::int64_t sequence, first, count;
};

inline constexpr tensor::DType kCacheTypes[] = {tensor::DType::kF32, tensor::DType::kBF16,
                                                tensor::DType::kI8};

class PagedKvTest : public KernelTest {
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
    Array table_array(tensor::DType::kI32, {std::ssize(chunks), max_blocks_});
    table_array.set_ints(tables);
    return {ints(positions), ints(slots), ints(starts), ints(lens), std::move(table_array)};
  }

  // Standard normal numbers, or about so: i8 ones are 40 times them, with scales near 1 / 40.
  CacheArrays normal_cache(tensor::DType dtype, const tensor::Shape& half) {
    CacheArrays arrays(dtype, half);
    const float size = dtype == tensor::DType::kI8 ? 40.0F : 1.0F;
    arrays.keys = normal(dtype, half, size);
    arrays.values = normal(dtype, half, size);
    for (std::int64_t i = 0; i < arrays.key_scales.size(); ++i) {
      set(arrays.key_scales, i, 0.001F * static_cast<float>(between(5, 40)));
      set(arrays.value_scales, i, 0.001F * static_cast<float>(between(5, 40)));
    }
    return arrays;
  }

  static constexpr std::int64_t kBlockTokens = 16;
  std::int64_t max_blocks_ = 0;
  std::vector<std::int64_t> lengths_;
  std::vector<std::int32_t> tables_;
};

}  // namespace fathom::kernels
