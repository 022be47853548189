// One allocation for the whole cache, cut into layers.
#include "model/kv_cache.h"

#include "base/checked.h"

namespace fathom::model {

using tensor::DType;

base::Result<KvCache> KvCache::allocate(const spec::ModelSpec& spec, const KvCacheShape& shape,
                                        device::Device& device) {
  if (!device.supports(shape.dtype)) {
    return base::fail(base::ErrorCode::kInvalidArgument, "KV cache",
                      "{} is not a type it can have on {}; choose another --kv-dtype",
                      tensor::name(shape.dtype), device.name());
  }
  const auto total_bytes = base::checked_mul(kv_block_bytes(spec, shape), shape.num_blocks);
  // Slots are 32-bit numbers on the device.
  const auto num_slots = base::checked_mul(shape.num_blocks, shape.block_tokens);
  if (!total_bytes || !num_slots || *num_slots > INT32_MAX || shape.num_blocks < 1) {
    return base::fail(base::ErrorCode::kInvalidArgument, "KV cache",
                      "{} blocks of {} tokens cannot be addressed", shape.num_blocks,
                      shape.block_tokens);
  }
  KvCache cache;
  cache.shape_ = shape;
  cache.memory_ = TRY(device.allocate(static_cast<std::size_t>(*total_bytes)));
  const tensor::Shape half{shape.num_blocks, spec.num_kv_heads, shape.block_tokens, spec.head_dim};
  const std::int64_t half_bytes =
      half.num_elements() * static_cast<std::int64_t>(tensor::size_bytes(shape.dtype));
  auto* data = static_cast<std::byte*>(cache.memory_.data());
  // All scales stand first: there they are aligned whatever the size of a head.
  const tensor::Shape scales{shape.num_blocks, spec.num_kv_heads, shape.block_tokens};
  const std::int64_t scale_bytes =
      shape.dtype == DType::kI8 ? scales.num_elements() * static_cast<std::int64_t>(sizeof(float))
                                : 0;
  std::byte* scale_data = data;
  data += 2 * spec.num_layers * scale_bytes;
  for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
    kernels::PagedKv paged;
    paged.keys = {data, shape.dtype, half};
    paged.values = {data + half_bytes, shape.dtype, half};
    data += 2 * half_bytes;
    if (scale_bytes > 0) {
      paged.key_scales = {scale_data, DType::kF32, scales};
      paged.value_scales = {scale_data + scale_bytes, DType::kF32, scales};
      scale_data += 2 * scale_bytes;
    }
    cache.layers_.push_back(paged);
  }
  return cache;
}

}  // namespace fathom::model
