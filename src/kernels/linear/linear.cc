// Checks the matrices and runs their row blocks one after another.
#include "kernels/linear/linear.h"

#include <algorithm>
#include <vector>

#include "footprint/scratch.h"
#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/device_shape.h"
#include "kernels/element.h"

namespace fathom::kernels {

using base::ErrorCode;
using base::fail;
using base::Result;
using tensor::DType;

namespace {

void check_types(const LinearArgs& args, const LinearBlock& block, bool cuda) {
  const DType x = args.x.dtype;
  const DType w = block.weight.dtype;
  const bool narrow_x = x == DType::kBF16 || x == DType::kF16;
  const bool is_f8 = w == DType::kF8E4M3;
  CHECK(x == DType::kF32 ? !is_f8 : (x == w && (cuda || x == DType::kBF16)) || (is_f8 && narrow_x),
        "a product of {} by {} on {}", tensor::name(x), tensor::name(w), cuda ? "CUDA" : "the CPU");
  CHECK(block.scales.empty() != is_f8, "scales go with fp8 weights, and only with them");
  if (is_f8) check_shape(block.scales, "linear scales", {block.weight.shape[0]});
}

void check_linear(const LinearArgs& args, bool cuda) {
  const std::int64_t in = args.weight.in_features();
  CHECK(args.weight.num_blocks >= 1, "a matrix without blocks");
  check_shape(args.x, "linear x", {args.x.shape[0], in});
  check_shape(args.y, "linear y", {args.x.shape[0], args.weight.out_features()});
  CHECK(!args.accumulate || args.y.dtype == DType::kF32, "only f32 accumulates");
  CHECK(args.x_scales.empty() != (args.x.dtype == DType::kF8E4M3),
        "scales go with an fp8 x, and only with it");
  if (!args.x_scales.empty()) check_shape(args.x_scales, "linear x_scales", {args.x.shape[0]});
  for (const LinearBlock& block : args.weight.used()) {
    check_shape(block.weight, "linear weight", {block.weight.shape[0], in});
    if (!block.bias.empty()) check_shape(block.bias, "linear bias", {block.weight.shape[0]});
    check_types(args, block, cuda);
  }
}

}  // namespace

std::int64_t LinearWeight::out_features() const {
  std::int64_t sum = 0;
  for (const LinearBlock& block : used()) sum += block.weight.shape[0];
  return sum;
}

void linear(const LinearArgs& args, device::Stream& stream) {
  const bool cuda = on_cuda(stream);
  check_linear(args, cuda);
  LinearTask task;
  task.x = args.x.data;
  task.x_scales = args.x_scales.empty() ? nullptr : args.x_scales.as<float>();
  task.num_tokens = args.x.shape[0];
  task.in = args.weight.in_features();
  task.y_stride = args.y.shape[1];
  task.x_type =
      element_of(args.x, "linear x", {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3});
  task.y_type = cuda ? element_of(args.y, "linear y", {DType::kF32, DType::kBF16, DType::kF16})
                     : element_of(args.y, "linear y", {DType::kF32, DType::kBF16});
  task.accumulate = args.accumulate;
  task.batch_invariant = args.batch_invariant;
  if (!args.workspace.empty()) {
    task.workspace = args.workspace.data;
    task.workspace_bytes = static_cast<std::int64_t>(args.workspace.num_bytes());
  }
  auto* y = static_cast<std::byte*>(args.y.data);
  for (const LinearBlock& block : args.weight.used()) {
    task.w = block.weight.data;
    task.w_type = element_of(block.weight, "linear weight",
                             {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3});
    task.w_scales = block.scales.empty() ? nullptr : block.scales.as<float>();
    task.bias = block.bias.data;
    task.bias_type =
        element_of(block.bias, "linear bias", {DType::kF32, DType::kBF16, DType::kF16});
    task.out = block.weight.shape[0];
    task.y = y;
    if (cuda) {
      cuda_kernels().linear(task, cuda_queue(stream));
    } else {
      cpu_kernels(stream).linear(task, parallel_for(stream));
    }
    y += static_cast<std::size_t>(task.out) * tensor::size_bytes(args.y.dtype);
  }
}

std::int64_t linear_workspace_bytes(const device::Device& device, std::int64_t max_tokens,
                                    std::int64_t max_in) {
  return footprint::linear_scratch_bytes(device_shape(device), max_tokens, max_in);
}

Result<void> prepare_linear(device::Device& device, std::span<const LinearShape> shapes,
                            std::int64_t max_tokens) {
  if (device.kind() == device::DeviceKind::kCpu) return {};
  const auto stream = TRY(device.create_stream());
  std::vector<LinearShapeTask> tasks;
  for (const LinearShape& shape : shapes) {
    const auto element = [](DType type) {
      return element_of({nullptr, type, {}}, "a linear shape",
                        {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3});
    };
    tasks.push_back({.in = shape.in,
                     .out = shape.out,
                     .x_type = element(shape.x_type),
                     .w_type = element(shape.weight_type),
                     .y_type = element(shape.y_type),
                     .accumulate = shape.accumulate,
                     .batch_invariant = shape.batch_invariant});
  }
  const char* const problem = cuda_kernels().prepare_linear(
      tasks.data(), static_cast<int>(tasks.size()), max_tokens, cuda_queue(*stream));
  if (problem != nullptr) return fail(ErrorCode::kUnavailable, "cuBLASLt", "{}", problem);
  return stream->synchronize();
}

}  // namespace fathom::kernels
