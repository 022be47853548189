// Checks and dispatch.
#include "kernels/rms_norm/rms_norm.h"

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void rms_norm(const RmsNormArgs& args, device::Stream& stream) {
  const tensor::Shape& shape = args.x.shape;
  check_shape(args.weight, "norm weight", {shape[1]});
  check_shape(args.y, "norm y", shape);
  RmsNormTask task{.x = args.x.as<float>(),
                   .weight = args.weight.data,
                   .y = args.y.data,
                   .num_tokens = shape[0],
                   .hidden = shape[1],
                   .epsilon = args.epsilon,
                   .weight_type = element_of(args.weight, "norm weight",
                                             {DType::kF32, DType::kBF16, DType::kF16})};
  if (on_cuda(stream)) {
    task.y_type =
        element_of(args.y, "norm y", {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3});
    if (task.y_type == Element::kF8E4M3) {
      check_shape(args.y_scales, "norm y_scales", {shape[0]});
      task.y_scales = args.y_scales.as<float>();
    }
    check_aligned("rms_norm", {args.x, args.weight, args.y});
    return cuda_kernels().rms_norm(task, cuda_queue(stream));
  }
  task.y_type = element_of(args.y, "norm y", {DType::kF32, DType::kBF16});
  cpu_kernels(stream).rms_norm(task, parallel_for(stream));
}

}  // namespace fathom::kernels
