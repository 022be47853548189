// A thread for each entry.
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) feed_entries(const FeedTokensTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= task.count) return;
  const int64_t source = task.sources[i];
  if (source >= 0 && source < task.num_slots) task.ids[i] = task.last_tokens[source];
}

__global__ void __launch_bounds__(kThreads) store_entries(const StoreTokensTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= task.count) return;
  const int64_t slot = task.slots[i];
  if (slot >= 0 && slot < task.num_slots) task.last_tokens[slot] = task.tokens[i];
}

}  // namespace

void feed_tokens(const FeedTokensTask& task, const CudaQueue& queue) {
  launch(queue, "feed_tokens", {.grid = num_blocks(task.count, kThreads), .block = kThreads},
         Overlap::kWithPredecessor, feed_entries, task);
}

void store_tokens(const StoreTokensTask& task, const CudaQueue& queue) {
  launch(queue, "store_tokens", {.grid = num_blocks(task.count, kThreads), .block = kThreads},
         Overlap::kWithPredecessor, store_entries, task);
}

}  // namespace fathom::kernels::cuda
