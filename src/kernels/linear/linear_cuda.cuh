// What linear's CUDA kernels share: the family's functions, and how a finished sum is stored.
#pragma once

#include "kernels/cuda/cublaslt_api.h"
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/kernel_tasks.h"

namespace fathom::kernels::cuda {

// Any types, sizes and alignments: a warp for each weight row, f32 arithmetic. As fast as memory
// for few tokens; its bits do not depend on the batch.
void linear_plain(const LinearTask& task, const CudaQueue& queue);

// Tensor cores fed from memory through a ring of stages in shared memory; W is read once, for up to
// kMaxStreamTokens tokens. sm_80+, W and x of at most 16 bits, rows of 16-byte units. Its bits
// depend neither on the batch nor on which of the two is taken.
inline constexpr int64_t kMaxStreamTokens = 64;
bool fits_linear_stream(const LinearTask& task, const CudaQueue& queue);
void linear_stream(const LinearTask& task, const CudaQueue& queue);
// The same sums in the same order, in tiles for many tokens.
void linear_tiles(const LinearTask& task, const CudaQueue& queue);

// By cuBLASLt, then what it could not do itself. False if it has no algorithm; nothing is enqueued.
bool linear_by_library(const LinearTask& task, const lt::Algorithm* algorithm,
                       const CudaQueue& queue);

__device__ inline float load_element(const void* data, Element type, int64_t index) {
  switch (type) {
    case Element::kBF16:
      return widen(static_cast<const __nv_bfloat16*>(data)[index]);
    case Element::kF16:
      return widen(static_cast<const __half*>(data)[index]);
    default:
      return static_cast<const float*>(data)[index];
  }
}

// Each step rounds on its own, so that no compiler's choice of fused operations makes two kernels
// differ.
__device__ inline void store_sum(const LinearTask& task, int64_t token, int64_t row, float sum) {
  float value = sum;
  if (task.w_scales != nullptr) value = __fmul_rn(value, task.w_scales[row]);
  if (task.x_scales != nullptr) value = __fmul_rn(value, task.x_scales[token]);
  if (task.bias != nullptr) value = __fadd_rn(value, load_element(task.bias, task.bias_type, row));
  const int64_t index = token * task.y_stride + row;
  switch (task.y_type) {
    case Element::kBF16:
      static_cast<__nv_bfloat16*>(task.y)[index] = narrow<__nv_bfloat16>(value);
      return;
    case Element::kF16:
      static_cast<__half*>(task.y)[index] = narrow<__half>(value);
      return;
    default:
      float* const y = static_cast<float*>(task.y) + index;
      *y = task.accumulate ? __fadd_rn(*y, value) : value;
  }
}

// Whether rows of `count` elements of so many bytes are whole 16-byte units at such multiples.
inline bool has_units(const void* data, int64_t count, int64_t element_bytes) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && count * element_bytes % 16 == 0;
}

inline int64_t bytes_of(Element element) {
  switch (element) {
    case Element::kF32:
      return 4;
    case Element::kBF16:
    case Element::kF16:
      return 2;
    default:
      return 1;
  }
}

}  // namespace fathom::kernels::cuda
