// Plain loops, the mean in double.
#include <cmath>
#include <vector>

#include "kernels/element.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/residual_rms_norm/residual_rms_norm.h"

namespace fathom::kernels {

void residual_rms_norm_reference(const ResidualRmsNormArgs& args) {
  if (args.y.dtype == tensor::DType::kF8E4M3) {
    std::vector<float> y(static_cast<std::size_t>(args.y.shape.num_elements()));
    ResidualRmsNormArgs unquantized = args;
    unquantized.y = {y.data(), tensor::DType::kF32, args.y.shape};
    residual_rms_norm_reference(unquantized);
    return quantize_rows_reference({.x = unquantized.y, .y = args.y, .scales = args.y_scales});
  }
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
