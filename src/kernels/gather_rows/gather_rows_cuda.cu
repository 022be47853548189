// A block copies one row.
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// The unit of the copy divides the row's size.
template <typename Unit>
__global__ void __launch_bounds__(kThreads) gather_units(const GatherRowsTask task) {
  wait_for_predecessor();
  const int64_t units = task.row_bytes / static_cast<int64_t>(sizeof(Unit));
  const int64_t row = task.rows[blockIdx.x];
  const bool is_inside = row >= 0 && row < task.num_tokens;
  const Unit* from = static_cast<const Unit*>(task.x) + row * units;
  Unit* to = static_cast<Unit*>(task.y) + blockIdx.x * units;
  for (int64_t i = threadIdx.x; i < units; i += kThreads) to[i] = is_inside ? from[i] : Unit{};
  let_successor_start();
}

}  // namespace

void gather_rows(const GatherRowsTask& task, const CudaQueue& queue) {
  launch(queue, "gather_rows", {.grid = static_cast<unsigned>(task.num_rows), .block = kThreads},
         Overlap::kWithPredecessor,
         task.row_bytes % sizeof(uint4) == 0 ? gather_units<uint4> : gather_units<uint16_t>, task);
}

}  // namespace fathom::kernels::cuda
