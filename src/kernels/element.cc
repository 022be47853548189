// Checks of views, and element access by type.
#include "kernels/element.h"

#include <algorithm>
#include <cmath>

namespace fathom::kernels {

using tensor::DType;

Element element_of(const tensor::View& view, std::string_view what,
                   std::initializer_list<DType> allowed) {
  CHECK(std::ranges::find(allowed, view.dtype) != allowed.end(), "{} has type {}", what,
        tensor::name(view.dtype));
  switch (view.dtype) {
    case DType::kBF16:
      return Element::kBF16;
    case DType::kF16:
      return Element::kF16;
    case DType::kI8:
      return Element::kI8;
    case DType::kF8E4M3:
      return Element::kF8E4M3;
    default:
      return Element::kF32;
  }
}

void check_shape(const tensor::View& view, std::string_view what, const tensor::Shape& shape) {
  CHECK(view.shape == shape, "{} has shape {}, not {}", what, view.shape.text(), shape.text());
}

void check_aligned(std::string_view what, std::initializer_list<tensor::View> views) {
  for (const tensor::View& view : views) {
    CHECK(view.num_bytes() == 0 || reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0,
          "{}: an array of {} {} starts at {}, not at a multiple of 16 bytes", what,
          tensor::name(view.dtype), view.shape.text(), view.data);
  }
}

float get(const tensor::View& view, std::int64_t index) {
  switch (view.dtype) {
    case DType::kBF16:
      return tensor::to_float(static_cast<const tensor::BFloat16*>(view.data)[index]);
    case DType::kF16:
      return tensor::to_float(static_cast<const tensor::Float16*>(view.data)[index]);
    case DType::kI8:
      return static_cast<const std::int8_t*>(view.data)[index];
    case DType::kF8E4M3:
      return tensor::to_float(static_cast<const tensor::Float8E4M3*>(view.data)[index]);
    default:
      return view.as<float>()[index];
  }
}

void set(const tensor::MutableView& view, std::int64_t index, float value) {
  switch (view.dtype) {
    case DType::kBF16:
      static_cast<tensor::BFloat16*>(view.data)[index] = tensor::to_bfloat16(value);
      return;
    case DType::kF16:
      static_cast<tensor::Float16*>(view.data)[index] = tensor::to_float16(value);
      return;
    case DType::kF8E4M3:
      static_cast<tensor::Float8E4M3*>(view.data)[index] = tensor::to_float8_e4m3(value);
      return;
    case DType::kI8:
      static_cast<std::int8_t*>(view.data)[index] =
          static_cast<std::int8_t>(std::clamp(std::nearbyint(value), -127.0F, 127.0F));
      return;
    default:
      view.as<float>()[index] = value;
  }
}

}  // namespace fathom::kernels
