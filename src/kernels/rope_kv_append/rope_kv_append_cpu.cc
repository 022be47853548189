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

constexpr int64_t kMaxQuantizedDim = 512;

// y = x / scale in whole numbers, as PagedKv defines them; returns the scale.
float quantize(const float* x, int64_t count, int8_t* y) {
  Floats most{};
  Floats special{};  // 0, or NaN after a NaN or an infinity
  for (int64_t i = 0; i < count; i += kLanes) {
    const Floats value = load_up_to(x + i, count - i < kLanes ? count - i : kLanes);
    const Floats magnitude = value < 0.0F ? -value : value;
    most = magnitude > most ? magnitude : most;
    special += value * 0.0F;
  }
  float lanes[kLanes];
  store(lanes, most);
  float max_magnitude = 0;
  for (const float lane : lanes) max_magnitude = lane > max_magnitude ? lane : max_magnitude;
  const float scale = max_magnitude / 127.0F + sum(special);
  if (scale == 0.0F) {
    memset(y, 0, static_cast<size_t>(count));
    return scale;
  }
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t rest = count - i < kLanes ? count - i : kLanes;
    const Floats value = load_up_to(x + i, rest) / scale;
    // A tiny scale has few bits, and a NaN is in no range.
    const Floats high = value < 127.0F ? value : broadcast(127.0F);
    store_up_to(y + i, round(high > -127.0F ? high : broadcast(-127.0F)), rest);
  }
  return scale;
}

// Appends one head's key and value at element `at` of the cache.
template <typename X, typename Cache>
void append_head(const RopeTask& task, const float* cos_sin, const X* k, const X* v, int64_t at) {
  const int64_t dim = task.head_dim;
  rotate(k, cos_sin, dim / 2, static_cast<Cache*>(task.keys) + at);
  convert(v, dim, static_cast<Cache*>(task.values) + at);
}

template <typename X>
void append_quantized_head(const RopeTask& task, const float* cos_sin, const X* k, const X* v,
                           int64_t at) {
  const int64_t dim = task.head_dim;
  float exact[kMaxQuantizedDim];
  rotate(k, cos_sin, dim / 2, exact);
  task.key_scales[at / dim] = quantize(exact, dim, static_cast<int8_t*>(task.keys) + at);
  convert(v, dim, exact);
  task.value_scales[at / dim] = quantize(exact, dim, static_cast<int8_t*>(task.values) + at);
}

template <typename X, auto append>
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
    append(task, cos_sin, k + head * dim, v + head * dim, at);
  }
}

}  // namespace

void rope_kv_append(const RopeTask& task, const ParallelFor& threads) {
  const bool is_narrow = task.activation_type == Element::kBF16;
  auto* body = is_narrow ? run_row<Bf16, append_head<Bf16, float>>
                         : run_row<float, append_head<float, float>>;
  if (task.cache_type == Element::kBF16) {
    body = is_narrow ? run_row<Bf16, append_head<Bf16, Bf16>>
                     : run_row<float, append_head<float, Bf16>>;
  } else if (task.cache_type == Element::kI8) {
    body = is_narrow ? run_row<Bf16, append_quantized_head<Bf16>>
                     : run_row<float, append_quantized_head<float>>;
  }
  threads.run(threads.pool, task.num_tokens, body, const_cast<RopeTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
