// A thread for each entry; sums of integers are the same in any order.
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kClearThreads = 256;
constexpr int kClearPerThread = 16;

__global__ void __launch_bounds__(kThreads) count_entries(const CountTokensTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= task.count) return;
  const int64_t slot = task.slots[i];
  const int64_t token = task.tokens[i];
  if (slot < 0 || slot >= task.num_slots || token < 0 || token >= task.vocab_rows) return;
  int32_t* count = task.token_counts + slot * task.vocab_rows + token;
  if (task.is_prompt[i] != 0) {
    atomicOr(count, kInPrompt);
  } else {
    atomicAdd(count, 1);
  }
}

// Block (i, part) clears a part of the row of slots[i].
__global__ void __launch_bounds__(kClearThreads) clear_rows(const ClearCountsTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t slot = task.slots[blockIdx.x];
  if (slot < 0 || slot >= task.num_slots) return;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kClearThreads * kClearPerThread;
  int32_t* row = task.token_counts + slot * task.vocab_rows;
  for (int j = 0; j < kClearPerThread; ++j) {
    const int64_t token = first + j * kClearThreads + threadIdx.x;
    if (token < task.vocab_rows) row[token] = 0;
  }
}

}  // namespace

void count_tokens(const CountTokensTask& task, const CudaQueue& queue) {
  launch(queue, "count_tokens", {.grid = num_blocks(task.count, kThreads), .block = kThreads},
         Overlap::kWithPredecessor, count_entries, task);
}

void clear_counts(const ClearCountsTask& task, const CudaQueue& queue) {
  launch(queue, "clear_counts",
         {.grid = dim3(static_cast<unsigned>(task.count),
                       num_blocks(task.vocab_rows, kClearThreads * kClearPerThread)),
          .block = kClearThreads},
         Overlap::kWithPredecessor, clear_rows, task);
}

}  // namespace fathom::kernels::cuda
