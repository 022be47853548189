// SwiGLU's gate: a thread for each pack of 16 bytes of a row.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
__device__ T gated(T gate, T up) {
  const float value = widen(gate);
  return narrow<T>(value / (1.0F + expf(-value)) * widen(up));
}

// Rows whose width is a whole number of packs.
template <typename T>
__global__ void silu_mul_packs(const T* gate_up, T* y, int64_t num_tokens, int64_t intermediate) {
  wait_for_predecessor();
  const int64_t packs_per_row = intermediate / Pack<T>::kSize;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index < num_tokens * packs_per_row) {
    const int64_t row = index / packs_per_row;
    const int64_t column = index % packs_per_row * Pack<T>::kSize;
    const T* source = gate_up + row * 2 * intermediate + column;
    const auto gate = *reinterpret_cast<const Pack<T>*>(source);
    const auto up = *reinterpret_cast<const Pack<T>*>(source + intermediate);
    Pack<T> result;
#pragma unroll
    for (int i = 0; i < Pack<T>::kSize; ++i) result.values[i] = gated(gate.values[i], up.values[i]);
    *reinterpret_cast<Pack<T>*>(y + row * intermediate + column) = result;
  }
  let_successor_start();
}

template <typename T>
__global__ void silu_mul_elements(const T* gate_up, T* y, int64_t num_tokens,
                                  int64_t intermediate) {
  wait_for_predecessor();
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index < num_tokens * intermediate) {
    const int64_t row = index / intermediate;
    const T* source = gate_up + index + row * intermediate;
    y[index] = gated(source[0], source[intermediate]);
  }
  let_successor_start();
}

unsigned num_blocks(int64_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

}  // namespace

void silu_mul(const SiluMulTask& task, const CudaQueue& queue) {
  with_float_type(task.type, [&](auto type) {
    using T = decltype(type);
    const auto* gate_up = static_cast<const T*>(task.gate_up);
    auto* y = static_cast<T*>(task.y);
    const int64_t count = task.num_tokens * task.intermediate;
    const bool has_packs = task.intermediate % Pack<T>::kSize == 0;
    const unsigned grid = num_blocks(has_packs ? count / Pack<T>::kSize : count);
    launch(queue, "silu_mul", {.grid = grid, .block = kThreads}, Overlap::kWithPredecessor,
           has_packs ? silu_mul_packs<T> : silu_mul_elements<T>, gate_up, y, task.num_tokens,
           task.intermediate);
  });
}

}  // namespace fathom::kernels::cuda
