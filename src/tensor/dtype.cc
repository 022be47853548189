// Names and sizes of element types; binary16 conversions in integer arithmetic.
#include "tensor/dtype.h"

#include <cmath>

namespace fathom::tensor {

std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBF16:
      return "bf16";
    case DType::kF16:
      return "f16";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kI8:
      return "i8";
    case DType::kU8:
      return "u8";
    case DType::kF8E4M3:
      return "f8_e4m3";
  }
  return "unknown";
}

std::size_t size_bytes(DType dtype) {
  switch (dtype) {
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBF16:
    case DType::kF16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kF8E4M3:
      return 1;
  }
  return 0;
}

float to_float(Float16 value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000U) << 16;
  const std::uint32_t exponent = (value.bits >> 10) & 0x1FU;
  const std::uint32_t fraction = value.bits & 0x3FFU;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24 is exact
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t widened = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (widened << 23) | (fraction << 13));
}

Float16 to_float16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return {static_cast<std::uint16_t>(sign | 0x7E00U)};
  if (magnitude >= 0x477FF000U) return {static_cast<std::uint16_t>(sign | 0x7C00U)};
  if (magnitude < 0x38800000U) {  // subnormal: count of 2^-24 steps, ties to even
    const float steps = std::nearbyint(std::ldexp(std::bit_cast<float>(magnitude), 24));
    return {static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(steps))};
  }
  const std::uint32_t rounded = magnitude + 0xFFFU + ((magnitude >> 13) & 1U);
  return {static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13))};
}

float to_float(Float8E4M3 value) {
  const std::uint32_t magnitude = value.bits & 0x7FU;
  const float sign = (value.bits & 0x80U) != 0 ? -1.0F : 1.0F;
  if (magnitude == 0x7F) return std::bit_cast<float>(0x7FC00000U);
  const int exponent = static_cast<int>(magnitude >> 3);
  const auto fraction = static_cast<float>(magnitude & 7U);
  return exponent == 0 ? sign * std::ldexp(fraction, -9)
                       : sign * std::ldexp(8.0F + fraction, exponent - 10);
}

Float8E4M3 to_float8_e4m3(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint8_t>((bits >> 24) & 0x80U);
  const float magnitude = std::abs(value);
  if (std::isnan(value)) return {static_cast<std::uint8_t>(sign | 0x7FU)};
  if (magnitude >= 448.0F) return {static_cast<std::uint8_t>(sign | 0x7EU)};
  if (magnitude < 0x1.0p-6F) {  // subnormal: count of 2^-9 steps, ties to even
    const float steps = std::nearbyint(std::ldexp(magnitude, 9));
    return {static_cast<std::uint8_t>(sign | static_cast<std::uint8_t>(steps))};
  }
  const std::uint32_t rounded = (bits & 0x7FFFFFFFU) + 0x7FFFFU + ((bits >> 20) & 1U);
  return {static_cast<std::uint8_t>(sign | ((rounded >> 20) - (120U << 3)))};
}

}  // namespace fathom::tensor
