// Plain loops.
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
      for (std::int64_t i = 0; i < dim; ++i) {
        set(args.cache.keys, at + i, rotated(args, k, position, i));
        set(args.cache.values, at + i, get(args.qkv, v + i));
      }
    }
  }
}

}  // namespace fathom::kernels
