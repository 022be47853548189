// Element types, and bf16 / f16 / fp8 as bits with exact conversions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fathom::tensor {

enum class DType : std::uint8_t { kF32, kBF16, kF16, kI32, kI64, kI8, kU8, kF8E4M3 };

std::string_view name(DType dtype);
std::size_t size_bytes(DType dtype);

// bfloat16: the upper half of a float. Bits only: arithmetic happens in float.
struct BFloat16 {
  std::uint16_t bits = 0;
};

// IEEE binary16.
struct Float16 {
  std::uint16_t bits = 0;
};

// FP8 of arXiv:2209.05433: 4 bits of exponent, 3 of mantissa, greatest value 448, no infinity.
struct Float8E4M3 {
  std::uint8_t bits = 0;
};

inline float to_float(float value) { return value; }

inline float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

float to_float(Float16 value);

// Round to nearest, ties to even; a NaN stays a (quiet) NaN.
inline BFloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    return {static_cast<std::uint16_t>((bits >> 16) | 0x40U)};
  }
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16)};
}

Float16 to_float16(float value);

float to_float(Float8E4M3 value);

// Round to nearest, ties to even; what is out of range becomes the greatest value of its sign, as
// the GPU's saturating conversion does. A NaN stays a NaN.
Float8E4M3 to_float8_e4m3(float value);

template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return DType::kBF16;
}
template <>
constexpr DType dtype_of<Float16>() {
  return DType::kF16;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return DType::kI64;
}
template <>
constexpr DType dtype_of<std::int8_t>() {
  return DType::kI8;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::kU8;
}
template <>
constexpr DType dtype_of<Float8E4M3>() {
  return DType::kF8E4M3;
}

}  // namespace fathom::tensor
