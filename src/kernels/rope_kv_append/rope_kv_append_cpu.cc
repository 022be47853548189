// One token row after another: queries, then keys and values into their cache slot.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

// y = x turned by the row's angles.
template <typename X, typename Y>
void rotate(const X* x, const float* cos_sin, int64_t half, Y* y) {
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const Floats cosine = load(cos_sin + i);
    const Floats sine = load(cos_sin + half + i);
    const Floats low = load(x + i);
    const Floats high = load(x + half + i);
    store(y + i, low * cosine - high * sine);
    store(y + half + i, high * cosine + low * sine);
  }
  if (i < half) {
    const int64_t rest = half - i;
    const Floats cosine = load_first(cos_sin + i, rest);
    const Floats sine = load_first(cos_sin + half + i, rest);
    const Floats low = load_first(x + i, rest);
    const Floats high = load_first(x + half + i, rest);
    store_first(y + i, low * cosine - high * sine, rest);
    store_first(y + half + i, high * cosine + low * sine, rest);
  }
}

template <typename X, typename Y>
void convert(const X* x, int64_t count, Y* y) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, load(x + i));
  if (i < count) store_first(y + i, load_first(x + i, count - i), count - i);
}

template <typename X, typename Cache>
void run_row(void* context, int64_t row) {
  const auto& task = *static_cast<const RopeTask*>(context);
  const int64_t dim = task.head_dim;
  const int64_t half = dim / 2;
  const X* q =
      static_cast<const X*>(task.qkv) + row * (task.num_heads + 2 * task.num_kv_heads) * dim;
  const float* cos_sin = task.cos_sin + task.positions[row] * dim;
  X* q_out = static_cast<X*>(task.q) + row * task.num_heads * dim;
  for (int64_t head = 0; head < task.num_heads; ++head) {
    rotate(q + head * dim, cos_sin, half, q_out + head * dim);
  }
  const int64_t slot = task.slots[row];
  if (slot < 0) return;
  const X* k = q + task.num_heads * dim;
  const X* v = k + task.num_kv_heads * dim;
  const int64_t block = slot / task.block_tokens;
  const int64_t offset = slot % task.block_tokens;
  for (int64_t head = 0; head < task.num_kv_heads; ++head) {
    const int64_t at = ((block * task.num_kv_heads + head) * task.block_tokens + offset) * dim;
    rotate(k + head * dim, cos_sin, half, static_cast<Cache*>(task.keys) + at);
    convert(v + head * dim, dim, static_cast<Cache*>(task.values) + at);
  }
}

}  // namespace

void rope_kv_append(const RopeTask& task, const ParallelFor& threads) {
  auto* body = run_row<float, float>;
  const bool narrow_cache = task.cache_type == Element::kBF16;
  if (task.activation_type == Element::kBF16) {
    body = narrow_cache ? run_row<Bf16, Bf16> : run_row<Bf16, float>;
  } else if (narrow_cache) {
    body = run_row<float, Bf16>;
  }
  threads.run(threads.pool, task.num_tokens, body, const_cast<RopeTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
