// RMSNorm: a block for each row, which it holds in registers: one pass.
//
// The weight is loaded before the predecessor has ended. Of few rows the successor may start at
// once and load its own weights meanwhile; of many, its blocks would take the place of ours, so it
// waits until our loads are done.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr unsigned kFewRows = 8;
constexpr int kElementThreads = 256;
constexpr int kMaxThreads = 1024;
// Rows of more octets hold several in each thread.
constexpr int64_t kMaxSingleOctets = 512;
constexpr int kMaxOctetsPerThread = 2;

__device__ float row_factor(const RmsNormTask& task, float squares) {
  return rsqrtf(squares * (1.0F / static_cast<float>(task.hidden)) + task.epsilon);
}

template <typename Y, int kOctets>
__global__ void __launch_bounds__(kOctets == 1 ? kMaxSingleOctets : kMaxThreads)
    norm_octets(const RmsNormTask task) {
  __shared__ float sums[kWarpThreads];
  const int num_octets = static_cast<int>(task.hidden / kOctet);
  const int64_t row_start = static_cast<int64_t>(blockIdx.x) * task.hidden;
  AnyOctet weights[kOctets];
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
    const int octet = u * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
    if (octet < num_octets) weights[u].load(task.weight, task.weight_type, octet);
  }
  if (gridDim.x <= kFewRows) let_successor_start();
  wait_for_predecessor();
  float values[kOctets][kOctet] = {};
  float squares = 0.0F;
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
    const int octet = u * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
    if (octet >= num_octets) continue;
    const int64_t at = row_start + octet * kOctet;
    Octet<float>::load(task.x + at).widen_to(values[u]);
#pragma unroll
    for (int i = 0; i < kOctet; ++i) squares += values[u][i] * values[u][i];
  }
  if (gridDim.x > kFewRows) let_successor_start();
  const float factor = row_factor(task, block_sum(squares, sums));
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
    const int octet = u * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
    if (octet >= num_octets) continue;
    float weight[kOctet];
    weights[u].widen_to(task.weight_type, weight);
#pragma unroll
    for (int i = 0; i < kOctet; ++i) values[u][i] *= factor * weight[i];
    if constexpr (sizeof(Y) > 1) {
      store_octet(static_cast<Y*>(task.y) + row_start + octet * kOctet, values[u]);
    }
  }
  if constexpr (sizeof(Y) == 1) {
    __shared__ float maxima[kWarpThreads];
    store_quantized_row(values, num_octets, static_cast<Y*>(task.y) + row_start,
                        task.y_scales + blockIdx.x, maxima);
  }
}

// Rows of any width, in as many passes as it takes.
template <typename Y>
__global__ void __launch_bounds__(kElementThreads) norm_elements(const RmsNormTask task) {
  __shared__ float sums[kWarpThreads];
  let_successor_start();
  wait_for_predecessor();
  const int64_t row_start = static_cast<int64_t>(blockIdx.x) * task.hidden;
  const float* x = task.x + row_start;
  Y* y = static_cast<Y*>(task.y) + row_start;
  float squares = 0.0F;
  for (int64_t i = threadIdx.x; i < task.hidden; i += kElementThreads) {
    squares += x[i] * x[i];
  }
  const float factor = row_factor(task, block_sum(squares, sums));
  const auto normed = [&](int64_t i) {
    return x[i] * (factor * widen_at(task.weight, task.weight_type, i));
  };
  if constexpr (sizeof(Y) > 1) {
    for (int64_t i = threadIdx.x; i < task.hidden; i += kElementThreads) {
      y[i] = narrow<Y>(normed(i));
    }
  } else {
    __shared__ float maxima[kWarpThreads];
    float magnitude = 0.0F;
    for (int64_t i = threadIdx.x; i < task.hidden; i += kElementThreads) {
      magnitude = fmaxf(magnitude, fabsf(normed(i)));
    }
    const RowScale row(block_max(magnitude, maxima));
    if (threadIdx.x == 0) task.y_scales[blockIdx.x] = row.scale();
    for (int64_t i = threadIdx.x; i < task.hidden; i += kElementThreads) {
      y[i] = narrow<Y>(row.quotient(normed(i)));
    }
  }
}

template <typename Y>
void launch_norm(const RmsNormTask& task, const CudaQueue& queue) {
  const int64_t num_octets = task.hidden / kOctet;
  auto* kernel = norm_elements<Y>;
  unsigned threads = kElementThreads;
  if (task.hidden % kOctet == 0 && num_octets <= kMaxSingleOctets) {
    kernel = norm_octets<Y, 1>;
    threads = threads_for_octets(num_octets, 1);
  } else if (task.hidden % kOctet == 0 && num_octets <= kMaxThreads * kMaxOctetsPerThread) {
    kernel = norm_octets<Y, kMaxOctetsPerThread>;
    threads = threads_for_octets(num_octets, kMaxOctetsPerThread);
  }
  launch(queue, "rms_norm", {.grid = static_cast<unsigned>(task.num_tokens), .block = threads},
         Overlap::kWithPredecessor, kernel, task);
}

}  // namespace

void rms_norm(const RmsNormTask& task, const CudaQueue& queue) {
  if (task.y_type == Element::kF8E4M3) return launch_norm<__nv_fp8_e4m3>(task, queue);
  with_float_type(task.y_type, [&](auto y) { launch_norm<decltype(y)>(task, queue); });
}

}  // namespace fathom::kernels::cuda
