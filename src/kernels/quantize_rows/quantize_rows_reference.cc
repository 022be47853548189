// Plain loops.
#include <cmath>

#include "kernels/element.h"
#include "kernels/quantize_rows/quantize_rows.h"

namespace fathom::kernels {

void quantize_rows_reference(const QuantizeRowsArgs& args) {
  const std::int64_t width = args.x.shape[1];
  for (std::int64_t row = 0; row < args.x.shape[0]; ++row) {
    float magnitude = 0;
    for (std::int64_t i = 0; i < width; ++i) {
      magnitude = std::fmax(magnitude, std::abs(get(args.x, row * width + i)));
    }
    const float scale = magnitude / 448.0F;
    args.scales.as<float>()[row] = scale;
    const float divisor = scale > 0 ? scale : 1.0F;
    for (std::int64_t i = 0; i < width; ++i) {
      set(args.y, row * width + i, get(args.x, row * width + i) / divisor);
    }
  }
}

}  // namespace fathom::kernels
