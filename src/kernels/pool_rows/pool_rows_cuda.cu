// A thread for each column, which takes the rows in order.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

// Of a block: few, so that the columns spread over the GPU.
constexpr int kThreads = 32;
constexpr int kClearThreads = 256;
// Rows loaded before the first is added: a thread's sum is a chain, its loads need not be.
constexpr int kRowsAhead = 32;

template <typename X>
__global__ void __launch_bounds__(kThreads) pool_columns(const PoolRowsTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= task.hidden) return;
  const X* x = static_cast<const X*>(task.x) + column;
  // The sum that the last row went to stays in a register: a text's rows stand together.
  float* place = nullptr;
  float sum = 0.0F;
  for (int64_t first = 0; first < task.num_rows; first += kRowsAhead) {
    int64_t slots[kRowsAhead];
    float addends[kRowsAhead];
#pragma unroll
    for (int j = 0; j < kRowsAhead; ++j) {
      const bool is_row = first + j < task.num_rows;
      slots[j] = is_row ? task.slots[first + j] : -1;
      addends[j] = is_row ? widen(x[(first + j) * task.hidden]) : 0.0F;
    }
#pragma unroll
    for (int j = 0; j < kRowsAhead; ++j) {
      if (slots[j] < 0 || slots[j] >= task.num_slots) continue;
      float* target = task.y + slots[j] * task.hidden + column;
      if (target != place) {
        if (place != nullptr) *place = sum;
        place = target;
        sum = *target;
      }
      sum += addends[j];
    }
  }
  if (place != nullptr) *place = sum;
}

// Block (i, part) clears a part of the row of slots[i].
__global__ void __launch_bounds__(kClearThreads) clear_rows(const ClearPoolsTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t slot = task.slots[blockIdx.x];
  if (slot < 0 || slot >= task.num_slots) return;
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kClearThreads + threadIdx.x;
  if (column < task.hidden) task.y[slot * task.hidden + column] = 0.0F;
}

}  // namespace

void pool_rows(const PoolRowsTask& task, const CudaQueue& queue) {
  with_float_type(task.x_type, [&](auto type) {
    launch(queue, "pool_rows", {.grid = num_blocks(task.hidden, kThreads), .block = kThreads},
           Overlap::kWithPredecessor, pool_columns<decltype(type)>, task);
  });
}

void clear_pools(const ClearPoolsTask& task, const CudaQueue& queue) {
  launch(queue, "clear_pools",
         {.grid = dim3(static_cast<unsigned>(task.count), num_blocks(task.hidden, kClearThreads)),
          .block = kClearThreads},
         Overlap::kWithPredecessor, clear_rows, task);
}

}  // namespace fathom::kernels::cuda
