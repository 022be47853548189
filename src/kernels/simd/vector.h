// Vectors of floats for the CPU kernels, in the width of the instruction set being compiled for.
//
// Included only by *_cpu.cc files, which CMake compiles once for each instruction set with
// FATHOM_ISA set to its name. Everything here is in that namespace and inlined, so that no
// function built with wider instructions can be linked into the code of another set. Compilers'
// vector types give one source for all sets; loads and stores need no alignment.
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef FATHOM_ISA
#error "FATHOM_ISA names the namespace of this instruction set"
#endif

#define FATHOM_INLINE inline __attribute__((always_inline))

namespace fathom::kernels::FATHOM_ISA {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

using Floats = float __attribute__((vector_size(kLanes * 4)));
using Doubles = double __attribute__((vector_size(kLanes * 8)));
using Ints = int32_t __attribute__((vector_size(kLanes * 4)));
using Words = uint32_t __attribute__((vector_size(kLanes * 4)));
using Halves = uint16_t __attribute__((vector_size(kLanes * 2)));
using Bytes = int8_t __attribute__((vector_size(kLanes)));

// Element types as they lie in memory.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

template <typename To, typename From>
FATHOM_INLINE To as_bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}

FATHOM_INLINE Floats broadcast(float value) { return value - Floats{}; }

FATHOM_INLINE Floats widen(Halves bf16) {
  return as_bits<Floats>(__builtin_convertvector(bf16, Words) << 16);
}

// Round to nearest even. A NaN stays a NaN.
FATHOM_INLINE Halves narrow(Floats value) {
  const Words bits = as_bits<Words>(value);
  const Words rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  const Words quiet = (bits >> 16) | 0x40U;
  const Words is_nan = as_bits<Words>((bits & 0x7FFFFFFFU) > 0x7F800000U);
  return __builtin_convertvector((rounded & ~is_nan) | (quiet & is_nan), Halves);
}

FATHOM_INLINE Floats load(const float* from) {
  Floats value;
  memcpy(&value, from, sizeof(value));
  return value;
}
// The x86 forms name the instruction: g++ 12 splits the generic form into narrower ones. Their
// masks are full: the unmasked intrinsics of g++ 12 warn of an uninitialised operand.
FATHOM_INLINE Floats load(const Bf16* from) {
#if defined(__AVX512F__)
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return as_bits<Floats>(
      _mm512_maskz_slli_epi32(0xFFFF, _mm512_maskz_cvtepu16_epi32(0xFFFF, halves), 16));
#elif defined(__AVX2__)
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return as_bits<Floats>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
#else
  Halves value;
  memcpy(&value, from, sizeof(value));
  return widen(value);
#endif
}
FATHOM_INLINE Floats load(const F16* from) {
#if defined(__AVX512F__)
  return as_bits<Floats>(
      _mm512_maskz_cvtph_ps(0xFFFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
#elif defined(__AVX2__)
  return as_bits<Floats>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#else
  Halves halves;
  memcpy(&halves, from, sizeof(halves));
  const Words bits = __builtin_convertvector(halves, Words);
  const Words magnitude = bits & 0x7FFFU;
  // The exponent's bias differs by 112: a multiplication by 2^112 is exact, subnormals included.
  const Floats scaled = as_bits<Floats>(magnitude << 13) * 0x1.0p112F;
  const Words is_special = as_bits<Words>(magnitude >= 0x7C00U);
  return as_bits<Floats>(as_bits<Words>(scaled) | (is_special & 0x7F800000U) |
                         ((bits & 0x8000U) << 16));
#endif
}

FATHOM_INLINE Floats load(const int8_t* from) {
#if defined(__AVX512F__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return as_bits<Floats>(
      _mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_maskz_cvtepi8_epi32(0xFFFF, bytes)));
#elif defined(__AVX2__)
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return as_bits<Floats>(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
#else
  Bytes bytes;
  memcpy(&bytes, from, sizeof(bytes));
  return __builtin_convertvector(__builtin_convertvector(bytes, Ints), Floats);
#endif
}

FATHOM_INLINE void store(float* to, Floats value) { memcpy(to, &value, sizeof(value)); }
FATHOM_INLINE void store(Bf16* to, Floats value) {
  const Halves halves = narrow(value);
  memcpy(to, &halves, sizeof(halves));
}
// Of whole numbers in [-128, 127].
FATHOM_INLINE void store(int8_t* to, Floats value) {
  const Bytes bytes = __builtin_convertvector(__builtin_convertvector(value, Ints), Bytes);
  memcpy(to, &bytes, sizeof(bytes));
}

// The first `count` < kLanes elements; the rest are zero and their memory is not read.
template <typename T>
FATHOM_INLINE Floats load_first(const T* from, int64_t count) {
  T lanes[kLanes] = {};
  memcpy(lanes, from, static_cast<size_t>(count) * sizeof(T));
  return load(lanes);
}
template <typename T>
FATHOM_INLINE void store_first(T* to, Floats value, int64_t count) {
  T lanes[kLanes];
  store(lanes, value);
  memcpy(to, lanes, static_cast<size_t>(count) * sizeof(T));
}

// The same for any count up to kLanes.
template <typename T>
FATHOM_INLINE Floats load_up_to(const T* from, int64_t count) {
  return count == kLanes ? load(from) : load_first(from, count);
}
template <typename T>
FATHOM_INLINE void store_up_to(T* to, Floats value, int64_t count) {
  if (count == kLanes) {
    store(to, value);
  } else {
    store_first(to, value, count);
  }
}

// Sum of the lanes, as a tree of halves: the same order on every call.
FATHOM_INLINE float sum(Floats value) {
  float lanes[kLanes];
  store(lanes, value);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

// To the nearest whole number, ties to even, for |x| < 2^22.
FATHOM_INLINE Floats round(Floats x) { return (x + 12582912.0F) - 12582912.0F; }

// e^x: 2 ulp over the whole range; 0 below -87.3, infinity above 88.7.
FATHOM_INLINE Floats exp(Floats x) {
  const Floats clamped = x < -88.0F ? broadcast(-88.0F) : (x > 89.0F ? broadcast(89.0F) : x);
  // x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds n to an integer.
  const Floats shifted = clamped * 1.44269504F + 12582912.0F;
  const Floats n = shifted - 12582912.0F;
  const Floats r = (clamped - n * 0.693145752F) - n * 1.42860677e-6F;
  Floats p = broadcast(1.98756913e-4F);
  p = p * r + 1.39819994e-3F;
  p = p * r + 8.33345205e-3F;
  p = p * r + 4.16657962e-2F;
  p = p * r + 1.66666654e-1F;
  p = p * r + 5.0e-1F;
  p = p * (r * r) + r + 1.0F;
  // 2^n in two factors, so that n = 128 and n = -127 are reached too.
  const Ints exponent = __builtin_convertvector(n, Ints);
  const Ints half = exponent >> 1;
  const Floats low = as_bits<Floats>((half + 127) << 23);
  const Floats high = as_bits<Floats>((exponent - half + 127) << 23);
  const Floats result = p * low * high;
  return x < -87.336F ? Floats{} : result;
}

}  // namespace fathom::kernels::FATHOM_ISA
