// Keys and values in shared memory, and the tensor cores' products with them.
//
// Queries are the rows of A, so each row's arithmetic is the same wherever it stands in a tile and
// whatever stands beside it. A block of 16 keys lies in shared memory as in the cache, its 16-byte
// chunks swizzled. 8-bit numbers become f16 in registers; so that one ldmatrix fetches them without
// a shuffle, their dimensions are taken in another order, on the queries' side too.
#pragma once

#include <type_traits>

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {

inline constexpr int kBlockKeys = 16;  // keys of one multiplication

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Starts a copy to shared memory; the target is zeroed where there is no source. Before sm_80 the
// copy is done at once.
template <int kBytes>
__device__ inline void start_copy(void* target, const void* source, bool has_source) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const int source_bytes = has_source ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(target)),
                 "l"(source), "r"(source_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(target)),
                 "l"(source), "r"(source_bytes)
                 : "memory");
  }
#else
  if constexpr (kBytes == 16) {
    *static_cast<uint4*>(target) = has_source ? *static_cast<const uint4*>(source) : uint4{};
  } else {
    *static_cast<float*>(target) = has_source ? *static_cast<const float*>(source) : 0.0F;
  }
#endif
}

__device__ inline void end_copy_group() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most kGroups groups of this thread's copies are under way.
template <int kGroups>
__device__ inline void wait_copy_groups() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
#endif
}

__device__ inline void load_matrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

__device__ inline void load_transposed_matrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// c += a b for 16 x 16 of a and 16 x 8 of b.
template <typename T>
__device__ inline void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<T, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
#else
  if constexpr (std::is_same_v<T, __half>) {
    const uint32_t b[2] = {b0, b1};
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      asm volatile(
          "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
          "{%0,%1,%2,%3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[2 * k]), "r"(a[2 * k + 1]), "r"(b[k]));
    }
  } else {
    __trap();  // has_tiles() offers no bf16 there
  }
#endif
}

// 2^x, and 0 for -infinity.
__device__ inline float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Two numbers of T in 32 bits, the first in the low half.
template <typename T>
__device__ inline uint32_t packed(float low, float high) {
  if constexpr (std::is_same_v<T, __half>) {
    const __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  } else {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  }
}

// Two neighbours of T as two of U.
template <typename U, typename T>
__device__ inline uint32_t load_pair(const T* source) {
  if constexpr (std::is_same_v<T, U>) {
    return *reinterpret_cast<const uint32_t*>(source);
  } else {
    struct alignas(4) Pair {
      T low, high;
    };
    const auto pair = *reinterpret_cast<const Pair*>(source);
    return packed<U>(widen(pair.low), widen(pair.high));
  }
}

// Four 8-bit numbers as f16: the lower two, and the upper two.
__device__ inline void widen_four(uint32_t bytes, __nv_fp8_e4m3, uint32_t& low, uint32_t& high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  asm("{ .reg .b16 first, second; mov.b32 {first, second}, %2; "
      "cvt.rn.f16x2.e4m3x2 %0, first; cvt.rn.f16x2.e4m3x2 %1, second; }"
      : "=r"(low), "=r"(high)
      : "r"(bytes));
#else
  const auto halves = [](uint32_t pair) {
    const __half2_raw raw =
        __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(pair), __NV_E4M3);
    return static_cast<uint32_t>(raw.x) | (static_cast<uint32_t>(raw.y) << 16);
  };
  low = halves(bytes & 0xFFFFU);
  high = halves(bytes >> 16);
#endif
}

__device__ inline void widen_four(uint32_t bytes, int8_t, uint32_t& low, uint32_t& high) {
  // 0x6400 is 1024 in f16, where the last bit counts 1: q + 128 goes into its low byte.
  const uint32_t biased = bytes ^ 0x80808080U;
  const uint32_t pairs[2] = {__byte_perm(biased, 0x64646464U, 0x4140),
                             __byte_perm(biased, 0x64646464U, 0x4342)};
  const __half2 bias = __float2half2_rn(1152.0F);
  const __half2 first = __hsub2(*reinterpret_cast<const __half2*>(&pairs[0]), bias);
  const __half2 second = __hsub2(*reinterpret_cast<const __half2*>(&pairs[1]), bias);
  low = *reinterpret_cast<const uint32_t*>(&first);
  high = *reinterpret_cast<const uint32_t*>(&second);
}

// How keys and values of one cache type and head size lie, and come into registers.
template <typename CacheType, int kHeadDim>
struct Tiles {
  using Cache = CacheType;
  static constexpr int kDim = kHeadDim;
  static constexpr bool kIsByte = sizeof(Cache) == 1;
  static constexpr bool kHasScales = std::is_same_v<Cache, int8_t>;
  // The type of the products.
  using Math = std::conditional_t<std::is_same_v<Cache, __nv_bfloat16>, __nv_bfloat16, __half>;
  static constexpr int kRowBytes = kDim * static_cast<int>(sizeof(Cache));
  static constexpr int kChunks = kRowBytes / 16;
  // Sixteen keys, their values, and the scales of both.
  static constexpr int kHalfBytes = kBlockKeys * kRowBytes;
  static constexpr int kScaleBytes = kHasScales ? 2 * kBlockKeys * 4 : 0;
  static constexpr int kBlockBytes = 2 * kHalfBytes + kScaleBytes;

  // Any 8 consecutive keys' chunks of one number lie in different banks.
  __device__ static int offset(int key, int chunk) {
    const int turn = kChunks >= 8 ? key & 7 : (key / (8 / kChunks)) & (kChunks - 1);
    return key * kRowBytes + (chunk ^ turn) * 16;
  }

  // The dimension, within its 16, of the A fragment's lower half (0) or upper half (1) in a lane.
  __device__ static int query_dim(int lane, int half) {
    return kIsByte ? lane % 4 * 4 + half * 2 : lane % 4 * 2 + half * 8;
  }
  // Of a pair of 8-column results: the dimension within its 16 of element e of (c0, c1 of the
  // first, c0, c1 of the second) in a lane.
  __device__ static int value_dim(int lane, int e) {
    return kIsByte ? lane % 4 * 4 + (e & 1) * 2 + (e >> 1) : lane % 4 * 2 + (e & 1) + (e >> 1) * 8;
  }

  // B fragments of the keys for 32 dimensions: b[16 dimensions][8 keys].
  __device__ static void load_keys(uint32_t keys, int step, uint32_t (&b)[2][2][2]) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    uint32_t r[4];
    if constexpr (kIsByte) {
      load_matrices(r, keys + offset(lane % 16, 2 * step + lane / 16));
#pragma unroll
      for (int i = 0; i < 4; ++i) widen_four(r[i], Cache{}, b[i / 2][i % 2][0], b[i / 2][i % 2][1]);
    } else {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int key = lane % 8 + lane / 16 * 8;
        load_matrices(r, keys + offset(key, 4 * step + 2 * i + lane / 8 % 2));
        b[i][0][0] = r[0];
        b[i][0][1] = r[1];
        b[i][1][0] = r[2];
        b[i][1][1] = r[3];
      }
    }
  }

  // B fragments of the values for 32 dimensions: b[8 columns].
  __device__ static void load_values(uint32_t values, int step, uint32_t (&b)[4][2]) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    uint32_t r[4];
    if constexpr (kIsByte) {
      load_transposed_matrices(r, values + offset(lane % 16, 2 * step + lane / 16));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        // Two keys' pairs of dimensions become two dimensions' pairs of keys.
        const uint32_t turned = __byte_perm(r[i], 0, 0x3120);
        widen_four(turned, Cache{}, b[i / 2 * 2][i % 2], b[i / 2 * 2 + 1][i % 2]);
      }
    } else {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        load_transposed_matrices(r, values + offset(lane % 16, 4 * step + 2 * i + lane / 16));
        b[2 * i][0] = r[0];
        b[2 * i][1] = r[1];
        b[2 * i + 1][0] = r[2];
        b[2 * i + 1][1] = r[3];
      }
    }
  }

  // Starts the copies of 16 keys by one warp. Lanes 0-15 and 16-31 hold the index of each key's
  // vector in the cache, or -1 for none.
  __device__ static void start_block(const AttentionTask& task, char* block, int vector) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    const char* halves[2] = {static_cast<const char*>(task.keys),
                             static_cast<const char*>(task.values)};
    constexpr int kCopies = kBlockKeys * kChunks / kWarpThreads;
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int key = (i * kWarpThreads + lane) / kChunks;
      const int chunk = lane % kChunks;
      const int from = __shfl_sync(0xFFFFFFFFU, vector, key);
      const int64_t at = static_cast<int64_t>(from < 0 ? 0 : from) * kRowBytes + chunk * 16;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        start_copy<16>(block + half * kHalfBytes + offset(key, chunk), halves[half] + at,
                       from >= 0);
      }
    }
    if constexpr (kHasScales) {
      const float* scales = lane < kBlockKeys ? task.key_scales : task.value_scales;
      start_copy<4>(block + 2 * kHalfBytes + lane * 4, scales + (vector < 0 ? 0 : vector),
                    vector >= 0);
    }
  }
};

// Heads that share a KV head: in 32 bits, which divides fast.
__device__ inline int group_of(const AttentionTask& task) {
  return static_cast<int>(task.num_heads) / static_cast<int>(task.num_kv_heads);
}

// The index in the cache of the vector of a sequence's key at `position`, or -1 past the context.
__device__ inline int cache_vector(const AttentionTask& task, const int32_t* table, int kv_head,
                                   int position, int context_len) {
  if (position >= context_len) return -1;
  const int block_tokens = static_cast<int>(task.block_tokens);
  const int block = table[position >> (__ffs(block_tokens) - 1)];
  return (block * static_cast<int>(task.num_kv_heads) + kv_head) * block_tokens +
         (position & (block_tokens - 1));
}

// Online softmax of rows of queries by one warp. A lane has the row lane / 4 and, with two halves,
// lane / 4 + 8. Explicitly rounded operations, so that every use of it compiles to the same
// arithmetic.
template <typename T, int kHalves>
struct RowSums {
  float totals[T::kDim / 8][2 * kHalves];
  float max_scores[kHalves];
  float sums[kHalves];  // of this lane's keys only, until added up over the four lanes of a row

  __device__ void clear() {
#pragma unroll
    for (auto& total : totals) {
#pragma unroll
      for (float& value : total) value = 0.0F;
    }
#pragma unroll
    for (int i = 0; i < kHalves; ++i) {
      max_scores[i] = -INFINITY;
      sums[i] = 0.0F;
    }
  }

  // Multiplies the totals by e^(old maximum - new maximum).
  __device__ void rescale(const float (&factors)[kHalves]) {
    bool is_same = true;
#pragma unroll
    for (const float factor : factors) is_same = is_same && factor == 1.0F;
    if (__all_sync(0xFFFFFFFFU, is_same)) return;
#pragma unroll
    for (int i = 0; i < kHalves; ++i) {
#pragma unroll
      for (auto& total : totals) {
        total[2 * i] = __fmul_rn(total[2 * i], factors[i]);
        total[2 * i + 1] = __fmul_rn(total[2 * i + 1], factors[i]);
      }
    }
  }

  // Turns the scores of kBlocks * 16 keys at first_position into weights, and adds them up, after
  // which rescale(factors) is due. The row of half i sees keys before limits[i]; log2_scale is the
  // factor of the exponent. If there are scales, those of each 16 keys and of their values are 32
  // floats, scale_stride bytes apart.
  template <int kBlocks>
  __device__ void weigh(float (&scores)[kBlocks * 2][4], const char* scales, int scale_stride,
                        int first_position, const int (&limits)[kHalves], float log2_scale,
                        float (&factors)[kHalves]) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    float value_scales[T::kHasScales ? kBlocks * 2 : 1][2];
    float new_max[kHalves];
    const int last_position = first_position + kBlocks * kBlockKeys;
    bool is_whole = true;
#pragma unroll
    for (int i = 0; i < kHalves; ++i) {
      new_max[i] = max_scores[i];
      is_whole = is_whole && last_position <= limits[i];
    }
#pragma unroll
    for (int n = 0; n < kBlocks * 2; ++n) {
      [[maybe_unused]] float extra[2];
      if constexpr (T::kHasScales) {
        const int key = n % 2 * 8 + lane % 4 * 2;
        const auto* of_block = reinterpret_cast<const float*>(scales + n / 2 * scale_stride);
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          value_scales[n][e] = of_block[kBlockKeys + key + e];
#pragma unroll
          for (int i = 0; i < kHalves; ++i) {
            scores[n][2 * i + e] = __fmul_rn(scores[n][2 * i + e], of_block[key + e]);
          }
          // The greatest weight times value scale becomes 1, so that f16 holds all that matter.
          extra[e] = __fdividef(__log2f(fmaxf(value_scales[n][e], 0x1.0p-60F)), log2_scale);
        }
      }
      // Last, for a key that is not there has the scale 0.
      if (!is_whole) {
#pragma unroll
        for (int e = 0; e < 2 * kHalves; ++e) {
          const int position = first_position + n * 8 + lane % 4 * 2 + e % 2;
          if (position >= limits[e / 2]) scores[n][e] = -INFINITY;
        }
      }
#pragma unroll
      for (int e = 0; e < 2 * kHalves; ++e) {
        float score = scores[n][e];
        if constexpr (T::kHasScales) score = __fadd_rn(score, extra[e % 2]);
        new_max[e / 2] = fmaxf(new_max[e / 2], score);
      }
    }
    float offsets[kHalves];
#pragma unroll
    for (int i = 0; i < kHalves; ++i) {
      new_max[i] = fmaxf(new_max[i], __shfl_xor_sync(0xFFFFFFFFU, new_max[i], 1));
      new_max[i] = fmaxf(new_max[i], __shfl_xor_sync(0xFFFFFFFFU, new_max[i], 2));
      const float origin = new_max[i] == -INFINITY ? 0.0F : new_max[i];
      factors[i] = power_of_two(__fmul_rn(__fsub_rn(max_scores[i], origin), log2_scale));
      offsets[i] = __fmul_rn(-origin, log2_scale);
      max_scores[i] = new_max[i];
      sums[i] = __fmul_rn(sums[i], factors[i]);
    }
#pragma unroll
    for (int n = 0; n < kBlocks * 2; ++n) {
#pragma unroll
      for (int e = 0; e < 2 * kHalves; ++e) {
        float weight = power_of_two(__fmaf_rn(scores[n][e], log2_scale, offsets[e / 2]));
        sums[e / 2] = __fadd_rn(sums[e / 2], weight);
        if constexpr (T::kHasScales) weight = __fmul_rn(weight, value_scales[n][e % 2]);
        scores[n][e] = weight;
      }
    }
  }

  // Weights as A fragments.
  template <int kBlocks>
  __device__ static void pack(const float (&scores)[kBlocks * 2][4],
                              uint32_t (&weights)[kBlocks][4]) {
#pragma unroll
    for (int n = 0; n < kBlocks * 2; ++n) {
      weights[n / 2][n % 2 * 2] = packed<typename T::Math>(scores[n][0], scores[n][1]);
      weights[n / 2][n % 2 * 2 + 1] =
          kHalves == 2 ? packed<typename T::Math>(scores[n][2], scores[n][3]) : 0;
    }
  }

  // totals[n] += weights times 16 values of 8 dimensions.
  __device__ void add(int n, const uint32_t (&weights)[4], const uint32_t (&b)[2]) {
    if constexpr (kHalves == 2) {
      multiply<typename T::Math>(totals[n], weights, b[0], b[1]);
    } else {
      float c[4] = {totals[n][0], totals[n][1], 0.0F, 0.0F};
      multiply<typename T::Math>(c, weights, b[0], b[1]);
      totals[n][0] = c[0];
      totals[n][1] = c[1];
    }
  }

  // The sums over the four lanes of each row.
  __device__ void add_up() {
#pragma unroll
    for (float& sum : sums) {
      sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFU, sum, 1));
      sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFU, sum, 2));
    }
  }
};

// kRows tiles of rows of queries times kBlocks x 16 keys: scores, softmax, weighted values.
// query(tile, step, a) gives the A fragment of 16 dimensions.
template <typename T, int kRows, int kBlocks, int kHalves, typename Query>
__device__ inline void attend(RowSums<T, kHalves>* rows, const char* blocks, int first_position,
                              const int (*limits)[kHalves], float log2_scale, Query&& query) {
  float scores[kRows][kBlocks * 2][4] = {};
  const uint32_t base = shared_address(blocks);
#pragma unroll
  for (int step = 0; step < T::kDim / 32; ++step) {
    uint32_t a[kRows][2][4];
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      query(row, 2 * step, a[row][0]);
      query(row, 2 * step + 1, a[row][1]);
    }
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      uint32_t b[2][2][2];
      T::load_keys(base + block * T::kBlockBytes, step, b);
#pragma unroll
      for (int row = 0; row < kRows; ++row) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          multiply<typename T::Math>(scores[row][2 * block + i % 2], a[row][i / 2],
                                     b[i / 2][i % 2][0], b[i / 2][i % 2][1]);
        }
      }
    }
  }
  uint32_t weights[kRows][kBlocks][4];
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    float factors[kHalves];
    rows[row].template weigh<kBlocks>(scores[row], blocks + 2 * T::kHalfBytes, T::kBlockBytes,
                                      first_position, limits[row], log2_scale, factors);
    rows[row].rescale(factors);
    rows[row].template pack<kBlocks>(scores[row], weights[row]);
  }
#pragma unroll
  for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
    for (int step = 0; step < T::kDim / 32; ++step) {
      uint32_t b[4][2];
      T::load_values(base + block * T::kBlockBytes + T::kHalfBytes, step, b);
#pragma unroll
      for (int row = 0; row < kRows; ++row) {
#pragma unroll
        for (int i = 0; i < 4; ++i) rows[row].add(4 * step + i, weights[row][block], b[i]);
      }
    }
  }
}

}  // namespace fathom::kernels::cuda
