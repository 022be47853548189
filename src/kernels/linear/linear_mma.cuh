// Tensor-core pieces of linear: weights are the 16-row operand, tokens the 8 columns.
//
// A lane's fragments are 16 consecutive bytes of a weight row, and the same elements of a token's
// row: which k of the instruction's 16 an element stands for does not matter as long as both
// operands agree. So all of shared memory is read in 16-byte units, and weights need no packing.
#pragma once

#include <type_traits>

#include "kernels/linear/linear_cuda.cuh"

namespace fathom::kernels::cuda {

// A stage holds 256 bytes of each weight row: four parts of 64 bytes. A sum is four chains, one for
// each part of the stages in turn, added up in the order of the parts. This, and nothing about
// tiles, is the order of linear's batch-invariant sums.
inline constexpr int kParts = 4;
inline constexpr int kStageRowBytes = 256;
inline constexpr int kStageRowUnits = kStageRowBytes / 16;

template <typename X, typename W>
struct Fragments {
  static constexpr int kXUnitsPerWUnit = sizeof(X) / sizeof(W);  // 2 where fp8 weights are widened
  static constexpr int kSteps = 2 * kXUnitsPerWUnit;             // products in a weight unit
  static constexpr int kStageXUnits = kStageRowUnits * kXUnitsPerWUnit;
  static constexpr int kStageIn = kStageRowBytes / sizeof(W);  // elements of `in`

  // Where a unit of a row lies: quarter-warps that read two neighbouring rows meet no bank twice.
  __device__ static int w_place(int row, int unit) { return unit ^ ((row & 1) << 2); }
  __device__ static int x_place(int row, int unit) {
    return unit ^ ((row & 1) << (kXUnitsPerWUnit == 1 ? 2 : 0));
  }
};

__device__ inline void copy_async(uint4* shared, const void* global, bool is_real) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const auto target = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = is_real ? 16 : 0;  // the rest is filled with zeros
  asm volatile("cp.async.cg.shared.global.L2::256B [%0], [%1], 16, %2;" ::"r"(target), "l"(global),
               "r"(bytes)
               : "memory");
#endif
}

__device__ inline void commit_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until at most kCount of the latest groups are under way.
template <int kCount>
__device__ inline void wait_for_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kCount) : "memory");
#endif
}

template <typename X>
__device__ inline void multiply_add(float (&sums)[4], const uint32_t (&w)[4], uint32_t x0,
                                    uint32_t x1);
template <>
__device__ inline void multiply_add<__nv_bfloat16>(float (&sums)[4], const uint32_t (&w)[4],
                                                   uint32_t x0, uint32_t x1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]), "r"(x0), "r"(x1));
#endif
}
template <>
__device__ inline void multiply_add<__half>(float (&sums)[4], const uint32_t (&w)[4], uint32_t x0,
                                            uint32_t x1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]), "r"(x0), "r"(x1));
#endif
}

// 32 codes of each: in bytes, the fragments lie as those of 16 elements of 16 bits.
template <>
__device__ inline void multiply_add<__nv_fp8_e4m3>(float (&sums)[4], const uint32_t (&w)[4],
                                                   uint32_t x0, uint32_t x1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]), "r"(x0), "r"(x1));
#endif
}

// Two neighbouring fp8 of four (0: the lower two) as two X, exactly.
template <typename X, int kHalf>
__device__ inline uint32_t widen_pair(uint32_t four) {
  if constexpr (std::is_same_v<X, __half>) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 890
    return 0;  // never run: fp8 is for those that convert it in hardware
#else
    const auto pair = static_cast<__nv_fp8x2_storage_t>(kHalf == 0 ? four : four >> 16);
    const __half2_raw halves = __nv_cvt_fp8x2_to_halfraw2(pair, __NV_E4M3);
    return static_cast<uint32_t>(halves.x) | static_cast<uint32_t>(halves.y) << 16;
#endif
  } else {
    // Sign, exponent and mantissa moved to bf16's places are the value times 2^-120.
    const uint32_t spread = __byte_perm(four, 0, kHalf == 0 ? 0x1404 : 0x3424);
    const uint32_t bits = (spread & 0x80008000U) | ((spread >> 4) & 0x07F007F0U);
    const __nv_bfloat162 scale = __halves2bfloat162(__ushort_as_bfloat16(0x7B80),
                                                    __ushort_as_bfloat16(0x7B80));  // 2^120
    const __nv_bfloat162 value = __hmul2(reinterpret_cast<const __nv_bfloat162&>(bits), scale);
    return reinterpret_cast<const uint32_t&>(value);
  }
}

// sums += two weight units (of rows g and g + 8) times a token's unit or two.
template <typename X, typename W, int kColumns>
__device__ inline void multiply_units(
    float (&sums)[kColumns][4], const uint4& low, const uint4& high,
    const uint4 (&x)[kColumns][Fragments<X, W>::kXUnitsPerWUnit]) {
  const uint32_t lows[4] = {low.x, low.y, low.z, low.w};
  const uint32_t highs[4] = {high.x, high.y, high.z, high.w};
#pragma unroll
  for (int step = 0; step < Fragments<X, W>::kSteps; ++step) {
    uint32_t w[4];
    if constexpr (sizeof(W) == sizeof(X)) {
      w[0] = lows[2 * step];
      w[1] = highs[2 * step];
      w[2] = lows[2 * step + 1];
      w[3] = highs[2 * step + 1];
    } else {
      w[0] = widen_pair<X, 0>(lows[step]);
      w[1] = widen_pair<X, 0>(highs[step]);
      w[2] = widen_pair<X, 1>(lows[step]);
      w[3] = widen_pair<X, 1>(highs[step]);
    }
#pragma unroll
    for (int column = 0; column < kColumns; ++column) {
      const uint4& unit = x[column][step / 2];
      multiply_add<X>(sums[column], w, step % 2 == 0 ? unit.x : unit.z,
                      step % 2 == 0 ? unit.y : unit.w);
    }
  }
}

}  // namespace fathom::kernels::cuda
