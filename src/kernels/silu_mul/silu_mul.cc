// Checks and dispatch.
#include "kernels/silu_mul/silu_mul.h"

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void silu_mul(const SiluMulArgs& args, device::Stream& stream) {
  const tensor::Shape& shape = args.y.shape;
  check_shape(args.gate_up, "silu_mul gate_up", {shape[0], 2 * shape[1]});
  SiluMulTask task{.gate_up = args.gate_up.data,
                   .y = args.y.data,
                   .num_tokens = shape[0],
                   .intermediate = shape[1]};
  if (on_cuda(stream)) {
    task.gate_up_type =
        element_of(args.gate_up, "silu_mul gate_up", {DType::kF32, DType::kBF16, DType::kF16});
    task.y_type = element_of(args.y, "silu_mul y", {args.gate_up.dtype, DType::kF8E4M3});
    if (task.y_type == Element::kF8E4M3) {
      check_shape(args.y_scales, "silu_mul y_scales", {shape[0]});
      task.y_scales = args.y_scales.as<float>();
    }
    check_aligned("silu_mul", {args.gate_up, args.y});
    return cuda_kernels().silu_mul(task, cuda_queue(stream));
  }
  task.gate_up_type = element_of(args.gate_up, "silu_mul gate_up", {DType::kF32, DType::kBF16});
  task.y_type = element_of(args.y, "silu_mul y", {args.gate_up.dtype});
  cpu_kernels(stream).silu_mul(task, parallel_for(stream));
}

}  // namespace fathom::kernels
