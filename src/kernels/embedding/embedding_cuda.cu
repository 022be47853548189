// A block widens one row of the table.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kThreads) embedding_octets(const EmbeddingTask task) {
  wait_for_predecessor();
  const int64_t id = task.ids[blockIdx.x];
  const bool is_known = id >= 0 && id < task.vocab_rows;
  const T* from = static_cast<const T*>(task.table) + id * task.hidden;
  float* y = task.y + blockIdx.x * task.hidden;
  for (int64_t i = threadIdx.x * kOctet; i < task.hidden; i += kThreads * kOctet) {
    float values[kOctet] = {};
    if (is_known) Octet<T>::load(from + i).widen_to(values);
    store_octet(y + i, values);
  }
  let_successor_start();
}

// Rows of any width.
template <typename T>
__global__ void __launch_bounds__(kThreads) embedding_elements(const EmbeddingTask task) {
  wait_for_predecessor();
  const int64_t id = task.ids[blockIdx.x];
  const bool is_known = id >= 0 && id < task.vocab_rows;
  const T* from = static_cast<const T*>(task.table) + id * task.hidden;
  float* y = task.y + blockIdx.x * task.hidden;
  for (int64_t i = threadIdx.x; i < task.hidden; i += kThreads) {
    y[i] = is_known ? widen(from[i]) : 0.0F;
  }
  let_successor_start();
}

}  // namespace

void embedding(const EmbeddingTask& task, const CudaQueue& queue) {
  with_float_type(task.table_type, [&](auto type) {
    using T = decltype(type);
    launch(queue, "embedding", {.grid = static_cast<unsigned>(task.num_tokens), .block = kThreads},
           Overlap::kWithPredecessor,
           task.hidden % kOctet == 0 ? embedding_octets<T> : embedding_elements<T>, task);
  });
}

}  // namespace fathom::kernels::cuda
