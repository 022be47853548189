// Plain loops in double.
#include "kernels/element.h"
#include "kernels/linear/linear.h"

namespace fathom::kernels {

void linear_reference(const LinearArgs& args) {
  const std::int64_t in = args.weight.in_features();
  const std::int64_t out = args.weight.out_features();
  for (std::int64_t token = 0; token < args.x.shape[0]; ++token) {
    std::int64_t column = 0;
    for (const LinearBlock& block : args.weight.used()) {
      for (std::int64_t row = 0; row < block.weight.shape[0]; ++row, ++column) {
        double sum = 0;
        for (std::int64_t i = 0; i < in; ++i) {
          sum += static_cast<double>(get(args.x, token * in + i)) * get(block.weight, row * in + i);
        }
        if (!block.scales.empty()) sum *= get(block.scales, row);
        if (!args.x_scales.empty()) sum *= get(args.x_scales, token);
        if (!block.bias.empty()) sum += get(block.bias, row);
        if (args.accumulate) sum += get(args.y, token * out + column);
        set(args.y, token * out + column, static_cast<float>(sum));
      }
    }
  }
}

}  // namespace fathom::kernels
