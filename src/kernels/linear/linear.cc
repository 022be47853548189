// Checks the matrices and runs their row blocks one after another.
#include "kernels/linear/linear.h"

#include "kernels/cpu_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

std::int64_t LinearWeight::out_features() const {
  std::int64_t sum = 0;
  for (const LinearBlock& block : used()) sum += block.weight.shape[0];
  return sum;
}

void check_linear(const LinearArgs& args) {
  const std::int64_t in = args.weight.in_features();
  CHECK(args.weight.num_blocks >= 1, "a matrix without blocks");
  check_shape(args.x, "linear x", {args.x.shape[0], in});
  check_shape(args.y, "linear y", {args.x.shape[0], args.weight.out_features()});
  for (const LinearBlock& block : args.weight.used()) {
    check_shape(block.weight, "linear weight", {block.weight.shape[0], in});
    if (!block.bias.empty()) check_shape(block.bias, "linear bias", {block.weight.shape[0]});
    CHECK(args.x.dtype == DType::kF32 || block.weight.dtype == DType::kBF16,
          "a bf16 product needs bf16 weights, not {}", tensor::name(block.weight.dtype));
  }
}

void linear(const LinearArgs& args, device::Stream& stream) {
  check_linear(args);
  const CpuKernels& kernels = cpu_kernels(stream);
  const ParallelFor threads = parallel_for(stream);
  LinearTask task;
  task.x = args.x.data;
  task.num_tokens = args.x.shape[0];
  task.in = args.weight.in_features();
  task.y_stride = args.y.shape[1];
  task.x_type = element_of(args.x, "linear x", {DType::kF32, DType::kBF16});
  task.y_type = element_of(args.y, "linear y", {DType::kF32, DType::kBF16});
  auto* y = static_cast<std::byte*>(args.y.data);
  for (const LinearBlock& block : args.weight.used()) {
    task.w = block.weight.data;
    task.w_type =
        element_of(block.weight, "linear weight", {DType::kF32, DType::kBF16, DType::kF16});
    task.bias = block.bias.data;
    task.bias_type =
        element_of(block.bias, "linear bias", {DType::kF32, DType::kBF16, DType::kF16});
    task.out = block.weight.shape[0];
    task.y = y;
    kernels.linear(task, threads);
    y += static_cast<std::size_t>(task.out) * tensor::size_bytes(args.y.dtype);
  }
}

}  // namespace fathom::kernels
