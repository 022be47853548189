// Rows of a block: eight elements at a time, and quantization to fp8 with one scale for each row.
//
// An octet is eight elements of a row whose width is a multiple of eight, in an array that starts
// at a multiple of 16 bytes: wide loads, and the same element numbers in every type. A block that
// holds a row has octet u * blockDim.x + threadIdx.x as its thread's u-th.
#pragma once

#include <float.h>

#include "kernels/cuda/element.cuh"

namespace fathom::kernels::cuda {

inline constexpr int kOctet = 8;

// As the elements lie in memory.
template <typename T>
struct Octet {
  uint4 words[sizeof(T) / 2];

  __device__ static Octet load(const T* from) {
    Octet octet;
    const auto* words = reinterpret_cast<const uint4*>(from);
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(T) / 2); ++i) octet.words[i] = words[i];
    return octet;
  }
  __device__ void widen_to(float (&values)[kOctet]) const {
    const auto* elements = reinterpret_cast<const T*>(words);
#pragma unroll
    for (int i = 0; i < kOctet; ++i) values[i] = widen(elements[i]);
  }
};

// Two neighbours of 16 bits, the first in the lower half.
template <typename T>
__device__ inline uint32_t narrow_pair(float low, float high);
template <>
__device__ inline uint32_t narrow_pair<__nv_bfloat16>(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const uint32_t&>(pair);
}
template <>
__device__ inline uint32_t narrow_pair<__half>(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return reinterpret_cast<const uint32_t&>(pair);
}

// Stores that the compiler does not split, as it does with plain ones of packed pairs.
template <typename T>
__device__ inline void store_octet(T* to, const float (&v)[kOctet]) {
  __stwb(reinterpret_cast<uint4*>(to),
         make_uint4(narrow_pair<T>(v[0], v[1]), narrow_pair<T>(v[2], v[3]),
                    narrow_pair<T>(v[4], v[5]), narrow_pair<T>(v[6], v[7])));
}
template <>
__device__ inline void store_octet<float>(float* to, const float (&v)[kOctet]) {
  auto* quads = reinterpret_cast<float4*>(to);
  __stwb(quads, make_float4(v[0], v[1], v[2], v[3]));
  __stwb(quads + 1, make_float4(v[4], v[5], v[6], v[7]));
}

// Elements of a type that the host chose: where a type is read too seldom to compile a kernel for.
__device__ inline float widen_at(const void* data, Element type, int64_t index) {
  if (type == Element::kBF16) return widen(static_cast<const __nv_bfloat16*>(data)[index]);
  if (type == Element::kF16) return widen(static_cast<const __half*>(data)[index]);
  return static_cast<const float*>(data)[index];
}

// An octet of such a type.
struct AnyOctet {
  Octet<float> bits;

  __device__ void load(const void* data, Element type, int64_t octet) {
    if (type == Element::kF32) {
      bits = Octet<float>::load(static_cast<const float*>(data) + octet * kOctet);
    } else {
      bits.words[0] = static_cast<const uint4*>(data)[octet];
    }
  }
  __device__ void widen_to(Element type, float (&values)[kOctet]) const {
    if (type == Element::kF32) return bits.widen_to(values);
    if (type == Element::kF16) return Octet<__half>{bits.words[0]}.widen_to(values);
    Octet<__nv_bfloat16>{bits.words[0]}.widen_to(values);
  }
};

// The greatest over a block of at most 1024 threads, as block_sum().
__device__ inline float block_max(float value, float* shared) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int num_warps = (static_cast<int>(blockDim.x) + kWarpThreads - 1) / kWarpThreads;
  value = warp_max(value);
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  return warp_max(lane < num_warps ? shared[lane] : -FLT_MAX);
}

// A row's scale, and division by it: by 1 where the scale is 0, so that zeros stay zeros and a NaN
// stays one.
class RowScale {
 public:
  __device__ explicit RowScale(float max_magnitude) : scale_(max_magnitude / 448.0F) {
    divisor_ = scale_ > 0.0F ? scale_ : 1.0F;
    if (divisor_ < 0x1.0p-80F) shift_ = 0x1.0p80F;
    if (divisor_ > 0x1.0p80F) shift_ = 0x1.0p-80F;
    divisor_ *= shift_;
    reciprocal_ = 1.0F / divisor_;
    if (isinf(divisor_)) divisor_ = 0.0F;  // the reciprocal is 0, and so are quotients
  }
  __device__ float scale() const { return scale_; }
  // value / scale, correctly rounded where fp8 can tell it from 0: a quotient that is right to an
  // ulp, and a remainder's correction by the rounded reciprocal. One division does for the row.
  // The shift keeps remainders from underflow and is exact itself.
  __device__ float quotient(float value) const {
    const float shifted = value * shift_;
    float result = shifted * reciprocal_;
    result = fmaf(fmaf(-result, divisor_, shifted), reciprocal_, result);
    result = fmaf(fmaf(-result, divisor_, shifted), reciprocal_, result);
    return copysignf(result, value);  // -0, too
  }

 private:
  float scale_;
  float shift_ = 1.0F;
  float divisor_;
  float reciprocal_;
};

// Writes the row that the block holds; octets beyond its end are skipped and must hold zeros.
// `shared` is as block_max() wants it.
template <int kOctets>
__device__ inline void store_quantized_row(const float (&values)[kOctets][kOctet], int num_octets,
                                           __nv_fp8_e4m3* y, float* y_scale, float* shared) {
  float magnitude = 0.0F;
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
#pragma unroll
    for (int i = 0; i < kOctet; ++i) magnitude = fmaxf(magnitude, fabsf(values[u][i]));
  }
  const RowScale row(block_max(magnitude, shared));
  if (threadIdx.x == 0) *y_scale = row.scale();
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
    const int octet = u * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
    if (octet >= num_octets) continue;
    __nv_fp8x2_storage_t pairs[kOctet / 2];
#pragma unroll
    for (int i = 0; i < kOctet; i += 2) {
      const float2 pair{row.quotient(values[u][i]), row.quotient(values[u][i + 1])};
      pairs[i / 2] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
    }
    reinterpret_cast<uint2*>(y)[octet] =
        make_uint2(pairs[0] | uint32_t{pairs[1]} << 16, pairs[2] | uint32_t{pairs[3]} << 16);
  }
}

// Threads of a block that holds a row, `octets_per_thread` in each.
inline unsigned threads_for_octets(int64_t num_octets, int octets_per_thread) {
  const int64_t threads = (num_octets + octets_per_thread - 1) / octets_per_thread;
  return static_cast<unsigned>((threads + kWarpThreads - 1) / kWarpThreads * kWarpThreads);
}

}  // namespace fathom::kernels::cuda
