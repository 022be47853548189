// Element types on the device: conversions, packs of 16 bytes, and sums over warps and blocks.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <stdint.h>

#include "kernels/kernel_tasks.h"

namespace fathom::kernels::cuda {

inline constexpr int kWarpThreads = 32;

__device__ inline float widen(float value) { return value; }
__device__ inline float widen(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline float widen(__half value) { return __half2float(value); }
__device__ inline float widen(__nv_fp8_e4m3 value) { return static_cast<float>(value); }

// Rounds to nearest, ties to even; fp8 saturates.
template <typename T>
__device__ inline T narrow(float value);
template <>
__device__ inline float narrow<float>(float value) {
  return value;
}
template <>
__device__ inline __nv_bfloat16 narrow<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}
template <>
__device__ inline __half narrow<__half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ inline __nv_fp8_e4m3 narrow<__nv_fp8_e4m3>(float value) {
  return __nv_fp8_e4m3(value);
}

// 16 bytes of T, loaded and stored at once.
template <typename T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T values[kSize];
};

// The sum over the warp's threads, the same in each. The order of the sum is fixed.
__device__ inline float warp_sum(float value) {
  for (int offset = kWarpThreads / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xFFFFFFFFU, value, offset);
  }
  return value;
}

__device__ inline float warp_max(float value) {
  for (int offset = kWarpThreads / 2; offset > 0; offset /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFU, value, offset));
  }
  return value;
}

// The sum over a block of at most 1024 threads, the same in each; `shared` holds 32 floats and may
// be used again after the next barrier. Every thread must take part.
__device__ inline float block_sum(float value, float* shared) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int num_warps = (static_cast<int>(blockDim.x) + kWarpThreads - 1) / kWarpThreads;
  value = warp_sum(value);
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  return warp_sum(lane < num_warps ? shared[lane] : 0.0F);
}

// Calls body(T{}) for the C++ type of an element: float, __nv_bfloat16 or __half.
template <typename F>
void with_float_type(Element element, F&& body) {
  switch (element) {
    case Element::kBF16:
      return body(__nv_bfloat16{});
    case Element::kF16:
      return body(__half{});
    default:
      return body(float{});
  }
}

}  // namespace fathom::kernels::cuda
