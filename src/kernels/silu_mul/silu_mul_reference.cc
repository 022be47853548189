// Plain loops in double.
#include <cmath>
#include <vector>

#include "kernels/element.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/silu_mul/silu_mul.h"

namespace fathom::kernels {

void silu_mul_reference(const SiluMulArgs& args) {
  if (args.y.dtype == tensor::DType::kF8E4M3) {
    std::vector<float> y(static_cast<std::size_t>(args.y.shape.num_elements()));
    const tensor::MutableView unquantized{y.data(), tensor::DType::kF32, args.y.shape};
    silu_mul_reference({.gate_up = args.gate_up, .y = unquantized});
    return quantize_rows_reference({.x = unquantized, .y = args.y, .scales = args.y_scales});
  }
  const std::int64_t width = args.y.shape[1];
  for (std::int64_t token = 0; token < args.y.shape[0]; ++token) {
    for (std::int64_t i = 0; i < width; ++i) {
      const double gate = get(args.gate_up, token * 2 * width + i);
      const double up = get(args.gate_up, token * 2 * width + width + i);
      set(args.y, token * width + i, static_cast<float>(gate / (1.0 + std::exp(-gate)) * up));
    }
  }
}

}  // namespace fathom::kernels
