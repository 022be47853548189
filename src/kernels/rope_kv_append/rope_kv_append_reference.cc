// Plain loops.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/element.h"
#include "kernels/rope_kv_append/rope_kv_append.h"

namespace fathom::kernels {
namespace {

// Element i of the head at `base`, turned.
float rotated(const RopeKvAppendArgs& args, std::int64_t base, std::int64_t position,
              std::int64_t i) {
  const std::int64_t half = args.q.shape[2] / 2;
  const std::int64_t pair = i % half;
  const float cosine = get(args.cos_sin, position * 2 * half + pair);
  const float sine = get(args.cos_sin, position * 2 * half + half + pair);
  const float low = get(args.qkv, base + pair);
  const float high = get(args.qkv, base + half + pair);
  return i < half ? low * cosine - high * sine : high * cosine + low * sine;
}

// Stores vector `index` of an i8 cache: elements and scale.
void store_quantized(const std::vector<float>& x, std::int64_t index,
                     const tensor::MutableView& cache, const tensor::MutableView& scales) {
  float most = 0;
  bool is_finite = true;
  for (const float value : x) {
    is_finite = is_finite && std::isfinite(value);
    most = std::max(most, std::abs(value));
  }
  const float scale = is_finite ? most / 127.0F : std::numeric_limits<float>::quiet_NaN();
  set(scales, index, scale);
  const auto dim = std::ssize(x);
  for (std::int64_t i = 0; i < dim; ++i) {
    set(cache, index * dim + i, scale > 0 ? x[static_cast<std::size_t>(i)] / scale : 0.0F);
  }
}

}  // namespace

void rope_kv_append_reference(const RopeKvAppendArgs& args) {
  const std::int64_t num_heads = args.q.shape[1];
  const std::int64_t dim = args.q.shape[2];
  const std::int64_t num_kv_heads = args.cache.num_kv_heads();
  const std::int64_t block_tokens = args.cache.block_tokens();
  for (std::int64_t row = 0; row < args.batch.num_tokens(); ++row) {
    const std::int64_t position = args.batch.positions.as<std::int32_t>()[row];
    const std::int64_t slot = args.batch.slots.as<std::int32_t>()[row];
    const std::int64_t q = row * (num_heads + 2 * num_kv_heads) * dim;
    for (std::int64_t head = 0; head < num_heads; ++head) {
      for (std::int64_t i = 0; i < dim; ++i) {
        set(args.q, (row * num_heads + head) * dim + i, rotated(args, q + head * dim, position, i));
      }
    }
    if (slot < 0) continue;
    for (std::int64_t head = 0; head < num_kv_heads; ++head) {
      const std::int64_t k = q + (num_heads + head) * dim;
      const std::int64_t v = k + num_kv_heads * dim;
      const std::int64_t at =
          ((slot / block_tokens * num_kv_heads + head) * block_tokens + slot % block_tokens) * dim;
      std::vector<float> key;
      std::vector<float> value;
      for (std::int64_t i = 0; i < dim; ++i) {
        key.push_back(rotated(args, k, position, i));
        value.push_back(get(args.qkv, v + i));
      }
      if (args.cache.has_scales()) {
        store_quantized(key, at / dim, args.cache.keys, args.cache.key_scales);
        store_quantized(value, at / dim, args.cache.values, args.cache.value_scales);
        continue;
      }
      for (std::int64_t i = 0; i < dim; ++i) {
        set(args.cache.keys, at + i, key[static_cast<std::size_t>(i)]);
        set(args.cache.values, at + i, value[static_cast<std::size_t>(i)]);
      }
    }
  }
}

}  // namespace fathom::kernels
