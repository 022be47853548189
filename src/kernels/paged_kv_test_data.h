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
  PagedKv paged(OnDevice& on) const {
    return {on(keys), on(values), on(key_scales), on(value_scales)};
  }
  PagedKv paged() const { return {keys, values, key_scales, value_scales}; }
  Array keys, values, key_scales, value_scales;
};

// One sequence's rows of a step.
struct Chunk {
  std::int64_t sequence, first, count;
};

// Those that the CPU has too, and all.
inline constexpr tensor::DType kGpuCacheTypes[] = {tensor::DType::kF32, tensor::DType::kBF16,
                                                   tensor::DType::kF16, tensor::DType::kI8,
                                                   tensor::DType::kF8E4M3};
inline constexpr tensor::DType kCacheTypes[] = {tensor::DType::kF32, tensor::DType::kBF16,
                                                tensor::DType::kI8};

class PagedKvTest : public KernelTest {
 protected:
  // Sequences of random lengths whose blocks are shuffled over the cache.
  void make_sequences(std::int64_t num_sequences, std::int64_t max_length) {
    lengths_.clear();
    max_blocks_ = (max_length + block_tokens_ - 1) / block_tokens_;
    std::vector<std::int32_t> blocks(static_cast<std::size_t>(num_sequences * max_blocks_));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), random_);
    tables_ = blocks;
    for (std::int64_t i = 0; i < num_sequences; ++i) lengths_.push_back(between(1, max_length));
  }

  struct Batch {
    Array positions, slots, starts, lens, tables;
    std::int64_t max_rows = 0;
    RaggedBatch ragged() const { return {positions, slots, starts, lens, tables, max_rows}; }
    RaggedBatch ragged(OnDevice& on) const {
      return {on(positions), on(slots), on(starts), on(lens), on(tables), max_rows};
    }
  };

  // A chunk without rows is a padding row, whose block table must not be read.
  Batch batch_of(const std::vector<Chunk>& chunks) const {
    std::int64_t max_rows = 1;
    std::vector<std::int32_t> positions, slots, starts{0}, lens, tables;
    for (const Chunk& chunk : chunks) {
      max_rows = std::max(max_rows, chunk.count);
      if (chunk.count == 0) {
        positions.push_back(0);
        slots.push_back(-1);
        starts.push_back(static_cast<std::int32_t>(positions.size()));
        lens.push_back(0);
        tables.insert(tables.end(), static_cast<std::size_t>(max_blocks_), kNoBlock);
        continue;
      }
      const auto table = static_cast<std::size_t>(chunk.sequence * max_blocks_);
      for (std::int64_t p = chunk.first; p < chunk.first + chunk.count; ++p) {
        positions.push_back(static_cast<std::int32_t>(p));
        slots.push_back(static_cast<std::int32_t>(
            tables_[table + static_cast<std::size_t>(p / block_tokens_)] * block_tokens_ +
            p % block_tokens_));
      }
      starts.push_back(static_cast<std::int32_t>(positions.size()));
      lens.push_back(static_cast<std::int32_t>(chunk.first + chunk.count));
      for (std::int64_t i = 0; i < max_blocks_; ++i) {
        tables.push_back(tables_[table + static_cast<std::size_t>(i)]);
      }
    }
    Array table_array(tensor::DType::kI32, {std::ssize(chunks), max_blocks_});
    table_array.set_ints(tables);
    return {ints(positions),        ints(slots), ints(starts), ints(lens),
            std::move(table_array), max_rows};
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

  static constexpr std::int32_t kNoBlock = 0x7FFFFFF0;
  std::int64_t block_tokens_ = 16;
  std::int64_t max_blocks_ = 0;
  std::vector<std::int64_t> lengths_;
  std::vector<std::int32_t> tables_;
};

}  // namespace fathom::kernels
