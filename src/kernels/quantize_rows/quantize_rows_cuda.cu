// Quantization to fp8: a block for each row, which it holds in registers: one pass.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kElementThreads = 256;
constexpr int kMaxRowThreads = 640;
constexpr int kMaxOctetsPerThread = 4;

template <typename X, int kOctets>
__global__ void __launch_bounds__(kMaxRowThreads) quantize_octets(const QuantizeRowsTask task) {
  __shared__ float maxima[kWarpThreads];
  wait_for_predecessor();
  const int num_octets = static_cast<int>(task.width / kOctet);
  const int64_t row_start = static_cast<int64_t>(blockIdx.x) * task.width;
  const X* x = static_cast<const X*>(task.x) + row_start;
  float values[kOctets][kOctet] = {};
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
    const int octet = u * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
    if (octet < num_octets) Octet<X>::load(x + octet * kOctet).widen_to(values[u]);
  }
  let_successor_start();
  store_quantized_row(values, num_octets, static_cast<__nv_fp8_e4m3*>(task.y) + row_start,
                      task.scales + blockIdx.x, maxima);
}

// Rows of any width: reads each element twice.
template <typename X>
__global__ void __launch_bounds__(kElementThreads) quantize_elements(const QuantizeRowsTask task) {
  __shared__ float maxima[kWarpThreads];
  let_successor_start();
  wait_for_predecessor();
  const int64_t row_start = static_cast<int64_t>(blockIdx.x) * task.width;
  const X* x = static_cast<const X*>(task.x) + row_start;
  auto* y = static_cast<__nv_fp8_e4m3*>(task.y) + row_start;
  float magnitude = 0.0F;
  for (int64_t i = threadIdx.x; i < task.width; i += kElementThreads) {
    magnitude = fmaxf(magnitude, fabsf(widen(x[i])));
  }
  const RowScale row(block_max(magnitude, maxima));
  if (threadIdx.x == 0) task.scales[blockIdx.x] = row.scale();
  for (int64_t i = threadIdx.x; i < task.width; i += kElementThreads) {
    y[i] = narrow<__nv_fp8_e4m3>(row.quotient(widen(x[i])));
  }
}

}  // namespace

void quantize_rows(const QuantizeRowsTask& task, const CudaQueue& queue) {
  with_float_type(task.x_type, [&](auto type) {
    using X = decltype(type);
    const int64_t num_octets = task.width / kOctet;
    auto* kernel = quantize_elements<X>;
    unsigned threads = kElementThreads;
    if (task.width % kOctet == 0 && num_octets <= kMaxRowThreads) {
      kernel = quantize_octets<X, 1>;
      threads = threads_for_octets(num_octets, 1);
    } else if (task.width % kOctet == 0 &&
               num_octets <= int64_t{kMaxRowThreads} * kMaxOctetsPerThread) {
      kernel = quantize_octets<X, kMaxOctetsPerThread>;
      threads = threads_for_octets(num_octets, kMaxOctetsPerThread);
    }
    launch(queue, "quantize_rows", {.grid = static_cast<unsigned>(task.num_rows), .block = threads},
           Overlap::kWithPredecessor, kernel, task);
  });
}

}  // namespace fathom::kernels::cuda
