// Plain loops in double.
#include <cmath>

#include "kernels/element.h"
#include "kernels/silu_mul/silu_mul.h"

namespace fathom::kernels {

void silu_mul_reference(const SiluMulArgs& args) {
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
