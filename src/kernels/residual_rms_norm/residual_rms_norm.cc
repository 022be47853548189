// Checks and dispatch.
#include "kernels/residual_rms_norm/residual_rms_norm.h"

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void residual_rms_norm(const ResidualRmsNormArgs& args, device::Stream& stream) {
  const tensor::Shape& shape = args.residual.shape;
  if (!args.delta.empty()) check_shape(args.delta, "norm delta", shape);
  check_shape(args.weight, "norm weight", {shape[1]});
  check_shape(args.y, "norm y", shape);
  RmsNormTask task{.residual = args.residual.as<float>(),
                   .delta = args.delta.data,
                   .weight = args.weight.data,
                   .y = args.y.data,
                   .num_tokens = shape[0],
                   .hidden = shape[1],
                   .epsilon = args.epsilon,
                   .weight_type = element_of(args.weight, "norm weight",
                                             {DType::kF32, DType::kBF16, DType::kF16})};
  if (on_cuda(stream)) {
    task.delta_type =
        element_of(args.delta, "norm delta", {DType::kF32, DType::kBF16, DType::kF16});
    task.y_type =
        element_of(args.y, "norm y", {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3});
    if (task.y_type == Element::kF8E4M3) {
      check_shape(args.y_scales, "norm y_scales", {shape[0]});
      task.y_scales = args.y_scales.as<float>();
    }
    check_aligned("residual_rms_norm", {args.residual, args.delta, args.weight, args.y});
    return cuda_kernels().residual_rms_norm(task, cuda_queue(stream));
  }
  task.delta_type = element_of(args.delta, "norm delta", {DType::kF32, DType::kBF16});
  task.y_type = element_of(args.y, "norm y", {DType::kF32, DType::kBF16});
  cpu_kernels(stream).residual_rms_norm(task, parallel_for(stream));
}

}  // namespace fathom::kernels
