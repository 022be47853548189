// Checks and dispatch; on the CPU memcpy needs no variants.
#include "kernels/gather_rows/gather_rows.h"

#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void gather_rows(const GatherRowsArgs& args, device::Stream& stream) {
  check_shape(args.y, "gather_rows y", {args.rows.shape[0], args.x.shape[1]});
  (void)element_of(args.x, "gather_rows x", {DType::kF32, DType::kBF16, DType::kF16});
  (void)element_of(args.y, "gather_rows y", {args.x.dtype});
  if (!on_cuda(stream)) return gather_rows_reference(args);
  check_aligned("gather_rows", {args.x, args.y});
  const auto element_bytes = static_cast<std::int64_t>(tensor::size_bytes(args.x.dtype));
  cuda_kernels().gather_rows({.x = args.x.data,
                              .rows = args.rows.as<std::int32_t>(),
                              .y = args.y.data,
                              .num_tokens = args.x.shape[0],
                              .num_rows = args.rows.shape[0],
                              .row_bytes = args.x.shape[1] * element_bytes},
                             cuda_queue(stream));
}

}  // namespace fathom::kernels
