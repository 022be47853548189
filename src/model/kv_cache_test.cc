// The KV cache's arrays lie apart, fill its memory, and cost what kv_block_bytes says.
#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "device/cpu_device.h"

namespace fathom::model {
namespace {

using tensor::DType;

spec::ModelSpec small_model() {
  spec::ModelSpec spec;
  spec.num_layers = 3;
  spec.num_heads = 4;
  spec.num_kv_heads = 2;
  spec.head_dim = 6;
  return spec;
}

TEST(KvCache, CountsAnElementOfEachTypeAndTheScalesOfInt8) {
  const spec::ModelSpec spec = small_model();
  const std::int64_t values = 2 * 3 * 2 * 6 * 5;  // of a block of 5 tokens
  const auto bytes = [&](DType dtype) {
    return kv_block_bytes(spec, {.num_blocks = 7, .block_tokens = 5, .dtype = dtype});
  };
  EXPECT_EQ(bytes(DType::kF32), 4 * values);
  EXPECT_EQ(bytes(DType::kBF16), 2 * values);
  EXPECT_EQ(bytes(DType::kI8), values + 4 * values / 6);
}

TEST(KvCache, ArraysFillItsMemoryWithoutOverlap) {
  const spec::ModelSpec spec = small_model();
  device::CpuDevice device(device::CpuIsa::kPortable, 1);
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kI8}) {
    const KvCacheShape shape{.num_blocks = 7, .block_tokens = 5, .dtype = dtype};
    const auto cache = KvCache::allocate(spec, shape, device);
    ASSERT_TRUE(cache.has_value());
    std::vector<std::pair<const std::byte*, std::size_t>> arrays;
    for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
      const kernels::PagedKv& paged = cache->layer(layer);
      kernels::check_scales(paged);
      for (const auto& view : {paged.keys, paged.values, paged.key_scales, paged.value_scales}) {
        if (view.empty()) continue;
        arrays.emplace_back(static_cast<const std::byte*>(view.data), view.num_bytes());
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.data) % tensor::size_bytes(view.dtype), 0U);
      }
    }
    EXPECT_EQ(arrays.size(), dtype == DType::kI8 ? 12U : 6U);
    std::ranges::sort(arrays);
    for (std::size_t i = 1; i < arrays.size(); ++i) {
      EXPECT_EQ(arrays[i].first, arrays[i - 1].first + arrays[i - 1].second);
    }
    const auto end = arrays.back().first + arrays.back().second;
    EXPECT_EQ(static_cast<std::size_t>(end - arrays.front().first), cache->size_bytes());
    EXPECT_EQ(cache->size_bytes(),
              static_cast<std::size_t>(kv_block_bytes(spec, shape) * shape.num_blocks));
  }
}

TEST(KvCache, RefusesATypeThatNoKernelReads) {
  device::CpuDevice device(device::CpuIsa::kPortable, 1);
  const auto cache =
      KvCache::allocate(small_model(), {.num_blocks = 1, .dtype = DType::kF16}, device);
  ASSERT_FALSE(cache.has_value());
  EXPECT_EQ(cache.error().code, base::ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace fathom::model
