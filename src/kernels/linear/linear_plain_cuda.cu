// A warp for each weight row, up to eight tokens at a time: right for everything, fast enough where
// tensor cores or their data's alignment are missing.
#include "kernels/linear/linear_cuda.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kTokens = 8;

// Elements [first, first + kCount) of a row as floats.
template <int kCount, typename T>
__device__ inline void load_row(const T* row, int64_t first, float (&values)[kCount]) {
  if constexpr (kCount % Pack<T>::kSize == 0) {
    for (int part = 0; part < kCount / Pack<T>::kSize; ++part) {
      const auto pack = *reinterpret_cast<const Pack<T>*>(row + first + part * Pack<T>::kSize);
      for (int i = 0; i < Pack<T>::kSize; ++i) {
        values[part * Pack<T>::kSize + i] = widen(pack.values[i]);
      }
    }
  } else {
    for (int i = 0; i < kCount; ++i) values[i] = widen(row[first + i]);
  }
}

// kCount: elements that a lane takes at once; `in` is a multiple of it.
template <typename X, typename W, int kCount>
__global__ void __launch_bounds__(kWarps* kWarpThreads)
    linear_rows(const __grid_constant__ LinearTask task) {
  wait_for_predecessor();
  let_successor_start();
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarpThreads;
  const int64_t first_token = static_cast<int64_t>(blockIdx.y) * kTokens;
  if (row >= task.out) return;
  const int64_t rest = task.num_tokens - first_token;
  const int num_tokens = static_cast<int>(rest < kTokens ? rest : kTokens);
  const W* const w = static_cast<const W*>(task.w) + row * task.in;
  const X* const x = static_cast<const X*>(task.x) + first_token * task.in;
  float sums[kTokens] = {};
#pragma unroll 2
  for (int64_t i = lane * kCount; i < task.in; i += kWarpThreads * kCount) {
    float weights[kCount];
    load_row(w, i, weights);
#pragma unroll
    for (int token = 0; token < kTokens; ++token) {
      if (token >= num_tokens) break;
      float values[kCount];
      load_row(x + token * task.in, i, values);
      for (int k = 0; k < kCount; ++k) sums[token] = fmaf(values[k], weights[k], sums[token]);
    }
  }
#pragma unroll
  for (int token = 0; token < kTokens; ++token) {
    if (token >= num_tokens) break;
    const float sum = warp_sum(sums[token]);
    if (lane == 0) store_sum(task, first_token + token, row, sum);
  }
}

template <typename X, typename W>
void run(const LinearTask& task, const CudaQueue& queue) {
  constexpr int kPack = Pack<W>::kSize > Pack<X>::kSize ? Pack<W>::kSize : Pack<X>::kSize;
  const bool has_packs = has_units(task.x, task.in, sizeof(X)) &&
                         has_units(task.w, task.in, sizeof(W)) && task.in % kPack == 0;
  const dim3 grid(static_cast<unsigned>((task.out + kWarps - 1) / kWarps),
                  static_cast<unsigned>((task.num_tokens + kTokens - 1) / kTokens));
  launch(queue, "linear, plain", {.grid = grid, .block = kWarps * kWarpThreads},
         Overlap::kWithPredecessor, has_packs ? linear_rows<X, W, kPack> : linear_rows<X, W, 1>,
         task);
}

}  // namespace

void linear_plain(const LinearTask& task, const CudaQueue& queue) {
  with_float_type(task.x_type, [&](auto x) {
    using X = decltype(x);
    if (task.x_type == Element::kF8E4M3) return run<__nv_fp8_e4m3, __nv_fp8_e4m3>(task, queue);
    if (task.w_type == Element::kF8E4M3) return run<X, __nv_fp8_e4m3>(task, queue);
    if constexpr (sizeof(X) == 4) {
      with_float_type(task.w_type, [&](auto w) { run<X, decltype(w)>(task, queue); });
    } else {
      run<X, X>(task, queue);
    }
  });
}

}  // namespace fathom::kernels::cuda
