// Checks and dispatch.
#include "kernels/quantize_rows/quantize_rows.h"

#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void quantize_rows(const QuantizeRowsArgs& args, device::Stream& stream) {
  const tensor::Shape& shape = args.x.shape;
  check_shape(args.y, "quantize_rows y", shape);
  check_shape(args.scales, "quantize_rows scales", {shape[0]});
  (void)element_of(args.y, "quantize_rows y", {DType::kF8E4M3});
  const QuantizeRowsTask task{
      .x = args.x.data,
      .y = args.y.data,
      .scales = args.scales.as<float>(),
      .num_rows = shape[0],
      .width = shape[1],
      .x_type = element_of(args.x, "quantize_rows x", {DType::kF32, DType::kBF16, DType::kF16})};
  if (on_cuda(stream)) {
    check_aligned("quantize_rows", {args.x, args.y});
    return cuda_kernels().quantize_rows(task, cuda_queue(stream));
  }
  quantize_rows_reference(args);
}

}  // namespace fathom::kernels
