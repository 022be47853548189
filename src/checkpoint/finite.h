// A check that weights hold numbers: one NaN spoils every answer, and silently.
#pragma once

#include <string_view>

#include "base/result.h"
#include "tensor/tensor.h"

namespace fathom::checkpoint {

// An error names the tensor and the place of its first NaN or infinity. f32, bf16 or f16, any
// alignment. Cost: one pass at memory speed.
base::Result<void> check_finite(const tensor::View& view, std::string_view name);

}  // namespace fathom::checkpoint
