// Conversion between floating-point element types on the host.
#pragma once

#include "tensor/tensor.h"

namespace fathom::tensor {

// target[i] = source[i], rounded to nearest even where the target is narrower. Both f32, bf16 or
// f16 and of equal shapes; source needs no alignment. Cost: one pass, one thread.
void convert(const View& source, const MutableView& target);

}  // namespace fathom::tensor
