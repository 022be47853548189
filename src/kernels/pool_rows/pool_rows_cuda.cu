// A thread for each column, which takes the rows in order.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

// Of a block: one warp, so that the columns spread over the GPU.
constexpr int kThreads = kWarpThreads;
// Loaded before the first is added: a column's sum is a chain, its loads need not be.
constexpr int kRowsAhead = kWarpThreads;
constexpr int kClearThreads = 256;

template <typename X>
__global__ void __launch_bounds__(kThreads) pool_columns(const PoolRowsTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const bool is_column = column < task.hidden;
  const X* x = static_cast<const X*>(task.x) + column;
  // The open slot's sum stays in a register: a text's rows stand together. -1: none is open.
  int slot = -1;
  float sum = 0.0F;
  for (int64_t first = 0; first < task.num_rows; first += kRowsAhead) {
    // A thread knows the slot of one row.
    const int64_t own_row = first + threadIdx.x;
    int own_slot = own_row < task.num_rows ? task.slots[own_row] : -1;
    if (own_slot < 0 || own_slot >= task.num_slots) own_slot = -1;
    float addends[kRowsAhead];
#pragma unroll
    for (int j = 0; j < kRowsAhead; ++j) {
      const bool is_row = is_column && first + j < task.num_rows;
      addends[j] = is_row ? widen(x[(first + j) * task.hidden]) : 0.0F;
    }
    if (__all_sync(0xFFFFFFFFU, own_slot == slot)) {
#pragma unroll
      for (int j = 0; j < kRowsAhead; ++j) sum += addends[j];
      continue;
    }
#pragma unroll
    for (int j = 0; j < kRowsAhead; ++j) {
      const int row_slot = __shfl_sync(0xFFFFFFFFU, own_slot, j);
      if (row_slot < 0) continue;
      if (row_slot != slot) {
        if (is_column && slot >= 0) task.y[slot * task.hidden + column] = sum;
        slot = row_slot;
        if (is_column) sum = task.y[slot * task.hidden + column];
      }
      sum += addends[j];
    }
  }
  if (is_column && slot >= 0) task.y[slot * task.hidden + column] = sum;
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
