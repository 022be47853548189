// Plain loops, the mean in double.
#include <cmath>
#include <vector>

#include "kernels/element.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/rms_norm/rms_norm.h"

namespace fathom::kernels {

void rms_norm_reference(const RmsNormArgs& args) {
  if (args.y.dtype == tensor::DType::kF8E4M3) {
    std::vector<float> y(static_cast<std::size_t>(args.y.shape.num_elements()));
    RmsNormArgs unquantized = args;
    unquantized.y = {y.data(), tensor::DType::kF32, args.y.shape};
    rms_norm_reference(unquantized);
    return quantize_rows_reference({.x = unquantized.y, .y = args.y, .scales = args.y_scales});
  }
  const std::int64_t hidden = args.x.shape[1];
  const float* x = args.x.as<float>();
  for (std::int64_t token = 0; token < args.x.shape[0]; ++token) {
    const std::int64_t row = token * hidden;
    double squares = 0;
    for (std::int64_t i = row; i < row + hidden; ++i) {
      squares += static_cast<double>(x[i]) * x[i];
    }
    const double factor = 1.0 / std::sqrt(squares / static_cast<double>(hidden) + args.epsilon);
    for (std::int64_t i = 0; i < hidden; ++i) {
      set(args.y, row + i, static_cast<float>(x[row + i] * factor * get(args.weight, i)));
    }
  }
}

}  // namespace fathom::kernels
