// Checks and dispatch.
#include "kernels/embedding/embedding.h"

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void embedding(const EmbeddingArgs& args, device::Stream& stream) {
  const std::int64_t num_tokens = args.ids.shape[0];
  const std::int64_t hidden = args.table.shape[1];
  check_shape(args.y, "embedding y", {num_tokens, hidden});
  const EmbeddingTask task{.ids = args.ids.as<std::int32_t>(),
                           .table = args.table.data,
                           .y = args.y.as<float>(),
                           .num_tokens = num_tokens,
                           .vocab_rows = args.table.shape[0],
                           .hidden = hidden,
                           .table_type = element_of(args.table, "embedding table",
                                                    {DType::kF32, DType::kBF16, DType::kF16})};
  if (on_cuda(stream)) {
    check_aligned("embedding", {args.table, args.y});
    return cuda_kernels().embedding(task, cuda_queue(stream));
  }
  cpu_kernels(stream).embedding(task, parallel_for(stream));
}

}  // namespace fathom::kernels
