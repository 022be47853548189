// SwiGLU's gate: a thread for each octet of a row; an fp8 row takes a block, which holds it in
// registers to find its greatest value.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kElementThreads = 256;
// Threads of a block that holds a row.
constexpr int kMaxRowThreads = 640;
constexpr int kMaxOctetsPerThread = 4;

// What 16 bits keep of the result needs no more than the fast functions give.
template <typename T>
__device__ float gated(float gate, float up) {
  if constexpr (sizeof(T) == 2) return __fdividef(gate, 1.0F + __expf(-gate)) * up;
  return gate / (1.0F + expf(-gate)) * up;
}

template <typename T>
struct GateUpRow {
  const T* gate;
  int64_t width;

  __device__ GateUpRow(const SiluMulTask& task, int64_t row)
      : gate(static_cast<const T*>(task.gate_up) + row * 2 * task.intermediate),
        width(task.intermediate) {}
  __device__ float element(int64_t i) const {
    return gated<T>(widen(gate[i]), widen(gate[width + i]));
  }
};

template <typename T>
__device__ void gate_octet(const Octet<T>& gates, const Octet<T>& ups, float (&values)[kOctet]) {
  float gate[kOctet];
  float up[kOctet];
  gates.widen_to(gate);
  ups.widen_to(up);
#pragma unroll
  for (int i = 0; i < kOctet; ++i) values[i] = gated<T>(gate[i], up[i]);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) silu_mul_octets(const SiluMulTask task) {
  wait_for_predecessor();
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x) * kOctet;
  if (column >= task.intermediate) return;
  const GateUpRow<T> row(task, blockIdx.x);
  const auto gates = Octet<T>::load(row.gate + column);
  const auto ups = Octet<T>::load(row.gate + row.width + column);
  let_successor_start();
  float values[kOctet];
  gate_octet(gates, ups, values);
  store_octet(static_cast<T*>(task.y) + blockIdx.x * row.width + column, values);
}

// Rows of any width.
template <typename T>
__global__ void __launch_bounds__(kThreads) silu_mul_elements(const SiluMulTask task) {
  let_successor_start();
  wait_for_predecessor();
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (column >= task.intermediate) return;
  const GateUpRow<T> row(task, blockIdx.x);
  static_cast<T*>(task.y)[blockIdx.x * row.width + column] = narrow<T>(row.element(column));
}

template <typename T, int kOctets>
__global__ void __launch_bounds__(kMaxRowThreads)
    silu_mul_quantized_octets(const SiluMulTask task) {
  __shared__ float maxima[kWarpThreads];
  wait_for_predecessor();
  const GateUpRow<T> row(task, blockIdx.x);
  const int num_octets = static_cast<int>(row.width / kOctet);
  Octet<T> gates[kOctets];
  Octet<T> ups[kOctets];
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
    const int octet = u * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
    if (octet >= num_octets) continue;
    gates[u] = Octet<T>::load(row.gate + octet * kOctet);
    ups[u] = Octet<T>::load(row.gate + row.width + octet * kOctet);
  }
  float values[kOctets][kOctet] = {};
#pragma unroll
  for (int u = 0; u < kOctets; ++u) {
    const int octet = u * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x);
    if (octet < num_octets) gate_octet(gates[u], ups[u], values[u]);
  }
  // Not between loads and gates: that took half as long again on an H200.
  let_successor_start();
  store_quantized_row(values, num_octets,
                      static_cast<__nv_fp8_e4m3*>(task.y) + blockIdx.x * row.width,
                      task.y_scales + blockIdx.x, maxima);
}

// Rows of any width: computes each element twice.
template <typename T>
__global__ void __launch_bounds__(kElementThreads)
    silu_mul_quantized_elements(const SiluMulTask task) {
  __shared__ float maxima[kWarpThreads];
  let_successor_start();
  wait_for_predecessor();
  const GateUpRow<T> row(task, blockIdx.x);
  auto* y = static_cast<__nv_fp8_e4m3*>(task.y) + blockIdx.x * row.width;
  float magnitude = 0.0F;
  for (int64_t i = threadIdx.x; i < row.width; i += kElementThreads) {
    magnitude = fmaxf(magnitude, fabsf(row.element(i)));
  }
  const RowScale scale(block_max(magnitude, maxima));
  if (threadIdx.x == 0) task.y_scales[blockIdx.x] = scale.scale();
  for (int64_t i = threadIdx.x; i < row.width; i += kElementThreads) {
    y[i] = narrow<__nv_fp8_e4m3>(scale.quotient(row.element(i)));
  }
}

template <typename T>
void launch_quantized(const SiluMulTask& task, const CudaQueue& queue) {
  const int64_t num_octets = task.intermediate / kOctet;
  auto* kernel = silu_mul_quantized_elements<T>;
  unsigned threads = kElementThreads;
  if (task.intermediate % kOctet == 0 && num_octets <= kMaxRowThreads) {
    kernel = silu_mul_quantized_octets<T, 1>;
    threads = threads_for_octets(num_octets, 1);
  } else if (task.intermediate % kOctet == 0 &&
             num_octets <= int64_t{kMaxRowThreads} * kMaxOctetsPerThread) {
    kernel = silu_mul_quantized_octets<T, kMaxOctetsPerThread>;
    threads = threads_for_octets(num_octets, kMaxOctetsPerThread);
  }
  launch(queue, "silu_mul", {.grid = static_cast<unsigned>(task.num_tokens), .block = threads},
         Overlap::kWithPredecessor, kernel, task);
}

}  // namespace

void silu_mul(const SiluMulTask& task, const CudaQueue& queue) {
  with_float_type(task.gate_up_type, [&](auto type) {
    using T = decltype(type);
    if (task.y_type == Element::kF8E4M3) return launch_quantized<T>(task, queue);
    const bool has_octets = task.intermediate % kOctet == 0;
    const unsigned chunks =
        num_blocks(task.intermediate, has_octets ? kThreads * kOctet : kThreads);
    launch(queue, "silu_mul",
           {.grid = dim3(static_cast<unsigned>(task.num_tokens), chunks), .block = kThreads},
           Overlap::kWithPredecessor, has_octets ? silu_mul_octets<T> : silu_mul_elements<T>, task);
  });
}

}  // namespace fathom::kernels::cuda
