// Peak rate of multiply-adds, measured: what the benchmarks of products are held against.
//
// Only for *_bench.cc files. Each loop has the instructions of one instruction set and is called
// only where the processor has them.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstdint>

#include "device/cpu_device.h"

namespace fathom::kernels {

// Chains of multiply-adds in flight: more than latency times issue rate.
inline constexpr int kChains = 12;

// Runs `rounds` of kChains multiply-adds of one vector; returns the FLOP done. `sink`, which is and
// stays 0, keeps the compiler from dropping them; the chains start apart, or it would merge them.
using PeakLoop = double (*)(std::int64_t rounds, float* sink);

inline double portable_peak(std::int64_t rounds, float* sink) {
  constexpr int kWidth = 4;
  using Floats = float __attribute__((vector_size(kWidth * sizeof(float))));
  Floats sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = Floats{} + static_cast<float>(i);
  Floats factor = Floats{} + *sink;
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (Floats& sum : sums) sum = sum * factor + factor;
  }
  for (const Floats& sum : sums) *sink += sum[0];
  return 2.0 * kWidth * kChains * static_cast<double>(rounds);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) inline double avx2_peak(std::int64_t rounds, float* sink) {
  __m256 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(*sink);
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
  }
  for (const __m256& sum : sums) *sink += _mm256_cvtss_f32(sum);
  return 2.0 * 8 * kChains * static_cast<double>(rounds);
}

__attribute__((target("avx512f"))) inline double avx512_peak(std::int64_t rounds, float* sink) {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(*sink);
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  }
  for (const __m512& sum : sums) *sink += _mm512_cvtss_f32(sum);
  return 2.0 * 16 * kChains * static_cast<double>(rounds);
}

__attribute__((target("avx512f,avx512bf16"))) inline double bf16_pair_peak(std::int64_t rounds,
                                                                           float* sink) {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const auto factor = reinterpret_cast<__m512bh>(_mm512_set1_ps(*sink));
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, factor, factor);
  }
  for (const __m512& sum : sums) *sink += _mm512_cvtss_f32(sum);
  return 4.0 * 16 * kChains * static_cast<double>(rounds);
}
#endif

// The loop of an instruction set; `bf16_pairs`: both operands are bf16, which avx512_bf16
// multiplies in pairs.
inline PeakLoop peak_loop(device::CpuIsa isa, bool bf16_pairs) {
#if defined(__x86_64__)
  if (isa == device::CpuIsa::kAvx512Bf16 && bf16_pairs) return bf16_pair_peak;
  if (isa == device::CpuIsa::kAvx512Bf16 || isa == device::CpuIsa::kAvx512) return avx512_peak;
  if (isa == device::CpuIsa::kAvx2) return avx2_peak;
#else
  (void)isa;
  (void)bf16_pairs;
#endif
  return portable_peak;
}

}  // namespace fathom::kernels
