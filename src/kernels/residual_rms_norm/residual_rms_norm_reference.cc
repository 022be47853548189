// Plain loops, the mean in double.
#include <cmath>

#include "kernels/element.h"
#include "kernels/residual_rms_norm/residual_rms_norm.h"

namespace fathom::kernels {

void residual_rms_norm_reference(const ResidualRmsNormArgs& args) {
  const std::int64_t hidden = args.residual.shape[1];
  float* residual = args.residual.as<float>();
  for (std::int64_t token = 0; token < args.residual.shape[0]; ++token) {
    const std::int64_t row = token * hidden;
    double squares = 0;
    for (std::int64_t i = row; i < row + hidden; ++i) {
      if (!args.delta.empty()) residual[i] += get(args.delta, i);
      squares += static_cast<double>(residual[i]) * residual[i];
    }
    const double factor = 1.0 / std::sqrt(squares / static_cast<double>(hidden) + args.epsilon);
    for (std::int64_t i = 0; i < hidden; ++i) {
      set(args.y, row + i, static_cast<float>(residual[row + i] * factor * get(args.weight, i)));
    }
  }
}

}  // namespace fathom::kernels
