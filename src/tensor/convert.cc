// Element-wise conversion loops.
#include "tensor/convert.h"

#include <cstring>

namespace fathom::tensor {
namespace {

void narrow(float value, float& out) { out = value; }
void narrow(float value, BFloat16& out) { out = to_bfloat16(value); }
void narrow(float value, Float16& out) { out = to_float16(value); }

template <typename From, typename To>
void convert_elements(const std::byte* source, To* target, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, source + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    narrow(to_float(value), target[i]);
  }
}

template <typename To>
void convert_to(const View& source, To* target) {
  const auto* bytes = static_cast<const std::byte*>(source.data);
  const std::int64_t count = source.shape.num_elements();
  switch (source.dtype) {
    case DType::kF32:
      return convert_elements<float>(bytes, target, count);
    case DType::kBF16:
      return convert_elements<BFloat16>(bytes, target, count);
    case DType::kF16:
      return convert_elements<Float16>(bytes, target, count);
    default:
      CHECK(false, "cannot convert from {}", name(source.dtype));
  }
}

}  // namespace

void convert(const View& source, const MutableView& target) {
  CHECK(source.shape == target.shape, "shapes {} and {}", source.shape.text(), target.shape.text());
  switch (target.dtype) {
    case DType::kF32:
      return convert_to(source, target.as<float>());
    case DType::kBF16:
      return convert_to(source, target.as<BFloat16>());
    case DType::kF16:
      return convert_to(source, target.as<Float16>());
    default:
      CHECK(false, "cannot convert to {}", name(target.dtype));
  }
}

}  // namespace fathom::tensor
