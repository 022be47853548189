// The streaming kernel's shapes, by types and number of tokens.
#include "kernels/linear/linear_stream.cuh"

namespace fathom::kernels::cuda {
namespace {

// The most rows and stages that leave room for two blocks of it or of its successor (227 KiB on
// sm_90, 164 on sm_80); measured on an H200. A smaller shape for 99 KiB (sm_86, sm_89) follows.
template <typename X, typename W>
void run(const LinearTask& task, const CudaQueue& queue) {
  if (task.num_tokens <= 8) return launch_stream<StreamShape<X, W, 1, 1, 1, 6>>(task, queue);
  if (task.num_tokens <= 16) return launch_stream<StreamShape<X, W, 2, 1, 2, 5>>(task, queue);
  if (task.num_tokens <= 32) return launch_stream<StreamShape<X, W, 2, 1, 4, 4>>(task, queue);
  return launch_stream<StreamShape<X, W, 2, 2, 8, 3>>(task, queue);
}

}  // namespace

bool fits_linear_stream(const LinearTask& task, const CudaQueue& queue) {
  const bool has_types =
      (task.x_type == Element::kBF16 || task.x_type == Element::kF16) &&
      (task.w_type == task.x_type || (task.w_type == Element::kF8E4M3 && queue.architecture >= 89));
  return queue.architecture >= 80 && has_types &&
         has_units(task.x, task.in, bytes_of(task.x_type)) &&
         has_units(task.w, task.in, bytes_of(task.w_type));
}

void linear_stream(const LinearTask& task, const CudaQueue& queue) {
  const bool is_f8 = task.w_type == Element::kF8E4M3;
  if (task.x_type == Element::kBF16) {
    return is_f8 ? run<__nv_bfloat16, __nv_fp8_e4m3>(task, queue)
                 : run<__nv_bfloat16, __nv_bfloat16>(task, queue);
  }
  return is_f8 ? run<__half, __nv_fp8_e4m3>(task, queue) : run<__half, __half>(task, queue);
}

}  // namespace fathom::kernels::cuda
