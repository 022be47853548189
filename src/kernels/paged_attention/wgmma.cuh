// wgmma of sm_90a: 64 rows of a group of four warps, A in registers, B in shared memory.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

#include <type_traits>

#include "kernels/paged_attention/attention_tiles.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 900 && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#error "build for sm_90a: sm_90 has no wgmma"
#endif
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define FATHOM_HAS_WGMMA 1
#else
#define FATHOM_HAS_WGMMA 0
#endif

namespace fathom::kernels::cuda {

inline constexpr bool kHasWgmma = FATHOM_HAS_WGMMA != 0;

// Before products whose registers were written since the last ones.
__device__ inline void start_products() {
#if FATHOM_HAS_WGMMA
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

__device__ inline void end_products() {
#if FATHOM_HAS_WGMMA
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

// Until at most the last kGroups groups of products are under way.
template <int kGroups>
__device__ inline void wait_products() {
#if FATHOM_HAS_WGMMA
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
#endif
}

// Gives the registers of a group of warps to others, or takes them: kCount for each thread.
template <int kCount>
__device__ inline void release_registers() {
#if FATHOM_HAS_WGMMA
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
#endif
}

template <int kCount>
__device__ inline void take_registers() {
#if FATHOM_HAS_WGMMA
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
#endif
}

// Barriers in shared memory, whose phases follow each other as `count` arrivals come in.
__device__ inline void init_barrier(uint64_t* barrier, uint32_t count) {
#if FATHOM_HAS_WGMMA
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count)
               : "memory");
#endif
}

__device__ inline void arrive(uint64_t* barrier) {
#if FATHOM_HAS_WGMMA
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
#endif
}

// Waits for the end of a phase of this parity.
__device__ inline void wait_for_phase(uint64_t* barrier, uint32_t parity) {
#if FATHOM_HAS_WGMMA
  uint32_t is_done = 0;
  while (is_done == 0) {
    asm volatile(
        "{ .reg .pred done; mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2; "
        "selp.u32 %0, 1, 0, done; }"
        : "=r"(is_done)
        : "r"(shared_address(barrier)), "r"(parity)
        : "memory");
  }
#endif
}

// Lets products read what this thread has written to shared memory, after the next barrier.
__device__ inline void show_to_products() {
#if FATHOM_HAS_WGMMA
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

// A matrix in shared memory: rows of 128 bytes, swizzled with a period of 1024 bytes, groups of 8
// rows 1024 bytes apart. Transposed, next_part is how far the next 64 columns are.
__device__ inline uint64_t swizzled_matrix(uint32_t address, int next_part) {
  return static_cast<uint64_t>((address & 0x3FFFFU) >> 4) |
         static_cast<uint64_t>(next_part >> 4) << 16 | static_cast<uint64_t>(1024 >> 4) << 32 |
         static_cast<uint64_t>(1) << 62;
}

#define FATHOM_FOUR(d, i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])

// Starts d = a b, or d += a b to accumulate: 64 x 16 of a, 16 x (8 * kTiles) of b, whose columns
// are rows in shared memory unless it is transposed.
template <typename T, bool kTransposed, int kTiles>
__device__ inline void multiply_group(float (&d)[kTiles][4], const uint32_t (&a)[4], uint64_t b,
                                      bool accumulate) {
  static_assert(kTiles == 8 || kTiles == 16);
#if FATHOM_HAS_WGMMA
  constexpr bool kIsHalf = std::is_same_v<T, __half>;
  if constexpr (kTiles == 8 && kIsHalf) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, %37, 0; "
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, "
        "%30, %31}, "
        "{%32, %33, %34, %35}, %36, p, 1, 1, %38; }"
        : FATHOM_FOUR(d, 0), FATHOM_FOUR(d, 1), FATHOM_FOUR(d, 2), FATHOM_FOUR(d, 3),
          FATHOM_FOUR(d, 4), FATHOM_FOUR(d, 5), FATHOM_FOUR(d, 6), FATHOM_FOUR(d, 7)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate ? 1 : 0),
          "n"(kTransposed ? 1 : 0));
  } else if constexpr (kTiles == 8 && !kIsHalf) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, %37, 0; "
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, "
        "%30, %31}, "
        "{%32, %33, %34, %35}, %36, p, 1, 1, %38; }"
        : FATHOM_FOUR(d, 0), FATHOM_FOUR(d, 1), FATHOM_FOUR(d, 2), FATHOM_FOUR(d, 3),
          FATHOM_FOUR(d, 4), FATHOM_FOUR(d, 5), FATHOM_FOUR(d, 6), FATHOM_FOUR(d, 7)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate ? 1 : 0),
          "n"(kTransposed ? 1 : 0));
  } else if constexpr (kTiles == 16 && kIsHalf) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, %69, 0; "
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, "
        "%30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, "
        "%44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, "
        "%58, %59, %60, %61, %62, %63}, "
        "{%64, %65, %66, %67}, %68, p, 1, 1, %70; }"
        : FATHOM_FOUR(d, 0), FATHOM_FOUR(d, 1), FATHOM_FOUR(d, 2), FATHOM_FOUR(d, 3),
          FATHOM_FOUR(d, 4), FATHOM_FOUR(d, 5), FATHOM_FOUR(d, 6), FATHOM_FOUR(d, 7),
          FATHOM_FOUR(d, 8), FATHOM_FOUR(d, 9), FATHOM_FOUR(d, 10), FATHOM_FOUR(d, 11),
          FATHOM_FOUR(d, 12), FATHOM_FOUR(d, 13), FATHOM_FOUR(d, 14), FATHOM_FOUR(d, 15)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate ? 1 : 0),
          "n"(kTransposed ? 1 : 0));
  } else if constexpr (kTiles == 16 && !kIsHalf) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, %69, 0; "
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, "
        "%30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, "
        "%44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, "
        "%58, %59, %60, %61, %62, %63}, "
        "{%64, %65, %66, %67}, %68, p, 1, 1, %70; }"
        : FATHOM_FOUR(d, 0), FATHOM_FOUR(d, 1), FATHOM_FOUR(d, 2), FATHOM_FOUR(d, 3),
          FATHOM_FOUR(d, 4), FATHOM_FOUR(d, 5), FATHOM_FOUR(d, 6), FATHOM_FOUR(d, 7),
          FATHOM_FOUR(d, 8), FATHOM_FOUR(d, 9), FATHOM_FOUR(d, 10), FATHOM_FOUR(d, 11),
          FATHOM_FOUR(d, 12), FATHOM_FOUR(d, 13), FATHOM_FOUR(d, 14), FATHOM_FOUR(d, 15)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate ? 1 : 0),
          "n"(kTransposed ? 1 : 0));
  }
#endif
}

#undef FATHOM_FOUR

}  // namespace fathom::kernels::cuda
