// Which of linear's kernels runs, or the library.
#include "kernels/linear/linear_cuda.cuh"

#include "kernels/cuda/cublaslt.h"
#include "kernels/linear/linear_choice.h"

namespace fathom::kernels::cuda {

void quantize_rows(const QuantizeRowsTask& task, const CudaQueue& queue);

namespace {

constexpr int kThreads = 256;
// Up to so many tokens our own kernel streams the weights; beyond, the library is faster. On an
// H200 with the shapes of a 7B model; not measured at start, so that the bits are the same in each
// run.
constexpr int64_t kStreamedTokens = 8;
constexpr int64_t kStreamedTokensInFp8 = 16;

// Finishes what the library left: y (+)= sums * scales + bias; `sums` may be y itself.
__global__ void __launch_bounds__(kThreads)
    finish_sums(const __grid_constant__ LinearTask task, const void* sums, Element sum_type,
                int64_t sum_stride) {
  wait_for_predecessor();
  let_successor_start();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t token = blockIdx.y;
  if (row >= task.out) return;
  store_sum(task, token, row, load_element(sums, sum_type, token * sum_stride + row));
}

void finish(const LinearTask& task, const void* sums, Element sum_type, int64_t sum_stride,
            const CudaQueue& queue) {
  const dim3 grid(static_cast<unsigned>((task.out + kThreads - 1) / kThreads),
                  static_cast<unsigned>(task.num_tokens));
  launch(queue, "linear, finished", {.grid = grid, .block = kThreads}, Overlap::kWithPredecessor,
         finish_sums, task, sums, sum_type, sum_stride);
}

void add_bias(LinearTask task, const CudaQueue& queue) {
  task.w_scales = nullptr;
  task.x_scales = nullptr;
  task.accumulate = false;  // what was there is in y already
  finish(task, task.y, task.y_type, task.y_stride, queue);
}

// The token rows [first, first + count) of a task.
LinearTask some_tokens(LinearTask task, int64_t first, int64_t count) {
  const int64_t x_bytes = bytes_of(task.x_type);
  const int64_t y_bytes = bytes_of(task.y_type);
  task.x = static_cast<const char*>(task.x) + first * task.in * x_bytes;
  task.y = static_cast<char*>(task.y) + first * task.y_stride * y_bytes;
  if (task.x_scales != nullptr) task.x_scales += first;
  task.num_tokens = count;
  return task;
}

// Where the library has no products with a scale for each row: plain sums into the workspace, as
// many tokens at a time as fit, and then the scales. Not batch-invariant.
bool multiply_unscaled(const LinearTask& task, const CudaQueue& queue) {
  if (task.batch_invariant) return false;
  const int64_t sum_bytes = task.workspace_bytes - kMaxCublasltWorkspaceBytes;
  const int64_t tokens_at_once = sum_bytes / (task.out * 4);
  if (tokens_at_once < 1) return false;
  auto* const sums = static_cast<char*>(task.workspace) + kMaxCublasltWorkspaceBytes;
  for (int64_t first = 0; first < task.num_tokens; first += tokens_at_once) {
    const int64_t rest = task.num_tokens - first;
    const LinearTask part = some_tokens(task, first, rest < tokens_at_once ? rest : tokens_at_once);
    LinearTask product = part;
    product.w_scales = nullptr;
    product.x_scales = nullptr;
    product.bias = nullptr;
    product.y = sums;
    product.y_stride = task.out;
    product.y_type = Element::kF32;
    product.accumulate = false;
    // The first fails before anything is enqueued; later ones have fewer tokens and the same needs.
    if (!cublaslt_linear(product, nullptr, queue)) {
      if (first == 0) return false;
      linear_plain(part, queue);
      continue;
    }
    finish(part, sums, Element::kF32, task.out, queue);
  }
  return true;
}

// x in fp8, in the workspace's end. False if there is no room.
bool quantize(LinearTask& task, const CudaQueue& queue) {
  const int64_t scale_bytes = (task.num_tokens * 4 + 255) / 256 * 256;
  const int64_t bytes = scale_bytes + (task.num_tokens * task.in + 255) / 256 * 256;
  if (task.workspace_bytes < bytes) return false;
  task.workspace_bytes = (task.workspace_bytes - bytes) / 256 * 256;
  auto* const scales =
      reinterpret_cast<float*>(static_cast<char*>(task.workspace) + task.workspace_bytes);
  char* const codes = reinterpret_cast<char*>(scales) + scale_bytes;
  quantize_rows({.x = task.x,
                 .y = codes,
                 .scales = scales,
                 .num_rows = task.num_tokens,
                 .width = task.in,
                 .x_type = task.x_type},
                queue);
  task.x = codes;
  task.x_scales = scales;
  task.x_type = Element::kF8E4M3;
  return true;
}

// By kernels of ours, whose sums have one order for any number of tokens.
void linear_by_own(const LinearTask& task, const CudaQueue& queue) {
  if (!fits_linear_stream(task, queue)) return linear_plain(task, queue);
  if (task.num_tokens <= kMaxStreamTokens) return linear_stream(task, queue);
  linear_tiles(task, queue);
}

}  // namespace

bool linear_by_library(const LinearTask& task, const lt::Algorithm* algorithm,
                       const CudaQueue& queue) {
  LinearTask product = task;
  if (task.w_type == Element::kF8E4M3 && task.x_type != Element::kF8E4M3 &&
      !quantize(product, queue)) {
    return false;
  }
  if (!cublaslt_linear(product, algorithm, queue)) {
    return product.w_scales != nullptr && multiply_unscaled(product, queue);
  }
  if (product.bias != nullptr && !cublaslt_adds_bias(product)) add_bias(product, queue);
  return true;
}

void linear(const LinearTask& task, const CudaQueue& queue) {
  if (task.num_tokens == 0 || task.out == 0) return;
  const bool is_streamed =
      task.num_tokens <= (task.w_type == Element::kF8E4M3 ? kStreamedTokensInFp8 : kStreamedTokens);
  const bool is_own = task.batch_invariant ? !is_invariant(task) : is_streamed;
  const lt::Algorithm* const choice = cublaslt_may_split(task) ? nullptr : find_choice(task);
  if (is_own || !linear_by_library(task, choice, queue)) linear_by_own(task, queue);
}

}  // namespace fathom::kernels::cuda
