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
  CHECK(args.gate_up.dtype == args.y.dtype, "silu_mul of two types");
  SiluMulTask task{.gate_up = args.gate_up.data,
                   .y = args.y.data,
                   .num_tokens = shape[0],
                   .intermediate = shape[1]};
  if (on_cuda(stream)) {
    task.type = element_of(args.y, "silu_mul y", {DType::kF32, DType::kBF16, DType::kF16});
    return cuda_kernels().silu_mul(task, cuda_queue(stream));
  }
  task.type = element_of(args.y, "silu_mul y", {DType::kF32, DType::kBF16});
  cpu_kernels(stream).silu_mul(task, parallel_for(stream));
}

}  // namespace fathom::kernels
