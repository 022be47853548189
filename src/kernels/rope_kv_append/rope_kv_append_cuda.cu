// Rotation and append: a few threads for each head of a row, 16 bytes of either half each.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 256;

template <typename T, int kCount>
struct alignas(kCount * sizeof(T) < 16 ? kCount * sizeof(T) : 16) Elements {
  T values[kCount];
};

// One head of one row, and where it goes.
template <typename X>
struct Head {
  const X* source;
  const float* cos_sin;  // of the row's position; null: a value head, not turned
  X* q;                  // a query head's place; null: a key or value head
  bool is_key;
  int64_t cache_vector;  // index of the key's or value's vector in the cache; -1: not appended
};

template <typename X>
__device__ Head<X> head_of(const RopeTask& task, uint32_t unit) {
  const int64_t dim = task.head_dim;
  // In 32 bits, which divide fast.
  const auto num_kv_heads = static_cast<uint32_t>(task.num_kv_heads);
  const uint32_t num_heads = static_cast<uint32_t>(task.num_heads) + 2 * num_kv_heads;
  const int64_t row = unit / num_heads;
  const int64_t head = unit % num_heads;
  Head<X> result{};
  result.source = static_cast<const X*>(task.qkv) + (row * num_heads + head) * dim;
  result.cache_vector = -1;
  if (head < task.num_heads + task.num_kv_heads) {
    result.cos_sin = task.cos_sin + task.positions[row] * dim;
  }
  if (head < task.num_heads) {
    result.q = static_cast<X*>(task.q) + (row * task.num_heads + head) * dim;
    return result;
  }
  result.is_key = head - task.num_heads < task.num_kv_heads;
  const int64_t kv_head = head - task.num_heads - (result.is_key ? 0 : task.num_kv_heads);
  const int32_t slot = task.slots[row];
  if (slot >= 0) {
    const auto block_tokens = static_cast<int32_t>(task.block_tokens);
    const int64_t block = slot / block_tokens;
    result.cache_vector =
        (block * task.num_kv_heads + kv_head) * block_tokens + slot % block_tokens;
  }
  return result;
}

// What PagedKv says of i8; `special` is 0, or NaN if the vector has a NaN or an infinity.
__device__ float scale_of(float max_magnitude, float special) {
  return max_magnitude / 127.0F + special;
}

__device__ int8_t quantized(float value, float scale) {
  if (scale == 0.0F) return 0;
  // A tiny scale has few bits, and a NaN is in no range.
  return static_cast<int8_t>(rintf(fmaxf(fminf(value / scale, 127.0F), -127.0F)));
}

template <typename Cache>
__device__ Cache stored(float value, float scale) {
  if constexpr (sizeof(Cache) == 1 && !std::is_same_v<Cache, __nv_fp8_e4m3>) {
    return quantized(value, scale);
  } else {
    return narrow<Cache>(value);
  }
}

template <typename T, int kCount>
__device__ void load_floats(const T* source, float (&values)[kCount]) {
  const auto pack = *reinterpret_cast<const Elements<T, kCount>*>(source);
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] = widen(pack.values[i]);
}

template <typename T, int kCount>
__device__ void store_floats(T* target, const float (&values)[kCount], float scale) {
  Elements<T, kCount> pack;
#pragma unroll
  for (int i = 0; i < kCount; ++i) pack.values[i] = stored<T>(values[i], scale);
  *reinterpret_cast<Elements<T, kCount>*>(target) = pack;
}

// Heads whose halves are a power of two of packs, at most a warp's worth: threads_per_head.
template <typename X, typename Cache>
__global__ void rope_packs(RopeTask task, uint32_t threads_per_head) {
  constexpr int kCount = Pack<X>::kSize;
  wait_for_predecessor();
  let_successor_start();
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  const int64_t num_heads = task.num_heads + 2 * task.num_kv_heads;
  const uint32_t unit = index / threads_per_head;
  // Threads past the end go along, for the shuffles below.
  const bool is_live = unit < task.num_tokens * num_heads;
  const Head<X> head = head_of<X>(task, is_live ? unit : 0);
  const int64_t half = task.head_dim / 2;
  const int64_t at = index % threads_per_head * kCount;
  float low[kCount];
  float high[kCount];
  load_floats(head.source + at, low);
  load_floats(head.source + half + at, high);
  if (head.cos_sin != nullptr) {
    float cosine[kCount];
    float sine[kCount];
    load_floats(head.cos_sin + at, cosine);
    load_floats(head.cos_sin + half + at, sine);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float turned = low[i] * cosine[i] - high[i] * sine[i];
      high[i] = high[i] * cosine[i] + low[i] * sine[i];
      low[i] = turned;
    }
  }
  float scale = 0;
  if constexpr (std::is_same_v<Cache, int8_t>) {
    float most = 0;
    float special = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      most = fmaxf(most, fmaxf(fabsf(low[i]), fabsf(high[i])));
      special += low[i] * 0.0F + high[i] * 0.0F;
    }
    for (uint32_t offset = threads_per_head / 2; offset > 0; offset /= 2) {
      most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFU, most, offset));
      special += __shfl_xor_sync(0xFFFFFFFFU, special, offset);
    }
    scale = scale_of(most, special);
  }
  if (!is_live) return;
  if (head.q != nullptr) {
    store_floats(head.q + at, low, 0.0F);
    store_floats(head.q + half + at, high, 0.0F);
  } else if (head.cache_vector >= 0) {
    auto* cache = static_cast<Cache*>(head.is_key ? task.keys : task.values);
    store_floats(cache + head.cache_vector * task.head_dim + at, low, scale);
    store_floats(cache + head.cache_vector * task.head_dim + half + at, high, scale);
    if (std::is_same_v<Cache, int8_t> && at == 0) {
      (head.is_key ? task.key_scales : task.value_scales)[head.cache_vector] = scale;
    }
  }
}

template <typename X>
__device__ float turned(const Head<X>& head, int64_t half, int64_t i) {
  const int64_t pair = i % half;
  const float low = widen(head.source[pair]);
  const float high = widen(head.source[half + pair]);
  if (head.cos_sin == nullptr) return i < half ? low : high;
  const float cosine = head.cos_sin[pair];
  const float sine = head.cos_sin[half + pair];
  return i < half ? low * cosine - high * sine : high * cosine + low * sine;
}

// A warp for each head of any even size.
template <typename X, typename Cache>
__global__ void rope_elements(RopeTask task) {
  wait_for_predecessor();
  let_successor_start();
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int64_t unit = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kWarpThreads;
  const int64_t num_heads = task.num_heads + 2 * task.num_kv_heads;
  if (unit >= task.num_tokens * num_heads) return;
  const Head<X> head = head_of<X>(task, static_cast<uint32_t>(unit));
  const int64_t half = task.head_dim / 2;
  if (head.q != nullptr) {
    for (int64_t i = lane; i < task.head_dim; i += kWarpThreads) {
      head.q[i] = narrow<X>(turned(head, half, i));
    }
    return;
  }
  if (head.cache_vector < 0) return;
  float scale = 0;
  if constexpr (std::is_same_v<Cache, int8_t>) {
    float most = 0;
    float special = 0;
    for (int64_t i = lane; i < task.head_dim; i += kWarpThreads) {
      const float value = turned(head, half, i);
      most = fmaxf(most, fabsf(value));
      special += value * 0.0F;
    }
    scale = scale_of(warp_max(most), warp_sum(special));
    float* scales = head.is_key ? task.key_scales : task.value_scales;
    if (lane == 0) scales[head.cache_vector] = scale;
  }
  auto* cache = static_cast<Cache*>(head.is_key ? task.keys : task.values) +
                head.cache_vector * task.head_dim;
  for (int64_t i = lane; i < task.head_dim; i += kWarpThreads) {
    cache[i] = stored<Cache>(turned(head, half, i), scale);
  }
}

template <typename X, typename Cache>
void rope(const RopeTask& task, const CudaQueue& queue) {
  const int64_t half = task.head_dim / 2;
  const int64_t heads = task.num_tokens * (task.num_heads + 2 * task.num_kv_heads);
  const int64_t packs = half / Pack<X>::kSize;
  const bool has_packs = half % Pack<X>::kSize == 0 && packs <= kWarpThreads && packs > 0 &&
                         (packs & (packs - 1)) == 0;
  const int64_t threads = heads * (has_packs ? packs : kWarpThreads);
  const LaunchShape shape{.grid = static_cast<unsigned>((threads + kThreads - 1) / kThreads),
                          .block = kThreads};
  if (has_packs) {
    launch(queue, "rope_kv_append", shape, Overlap::kWithPredecessor, rope_packs<X, Cache>, task,
           static_cast<uint32_t>(packs));
  } else {
    launch(queue, "rope_kv_append", shape, Overlap::kWithPredecessor, rope_elements<X, Cache>,
           task);
  }
}

}  // namespace

void rope_kv_append(const RopeTask& task, const CudaQueue& queue) {
  with_float_type(task.activation_type, [&](auto type) {
    using X = decltype(type);
    if (task.cache_type == Element::kI8) return rope<X, int8_t>(task, queue);
    if (task.cache_type == Element::kF8E4M3) return rope<X, __nv_fp8_e4m3>(task, queue);
    with_float_type(task.cache_type, [&](auto cache) { rope<X, decltype(cache)>(task, queue); });
  });
}

}  // namespace fathom::kernels::cuda
