// From views to the element types of the kernels, and float access for the references.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/check.h"
#include "kernels/kernel_tasks.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

// The element type of a view, which must be one of `allowed`; `what` names it in the failure.
Element element_of(const tensor::View& view, std::string_view what,
                   std::initializer_list<tensor::DType> allowed);

// Stops unless the view has this shape.
void check_shape(const tensor::View& view, std::string_view what, const tensor::Shape& shape);

// Stops unless each of the arrays starts at a multiple of 16 bytes, as CUDA kernels that load so
// much at once need it. Empty ones are read nowhere and may start anywhere.
void check_aligned(std::string_view what, std::initializer_list<tensor::View> views);

// One element as a float, and back with rounding to nearest even. For references: slow.
float get(const tensor::View& view, std::int64_t index);
void set(const tensor::MutableView& view, std::int64_t index, float value);

}  // namespace fathom::kernels
