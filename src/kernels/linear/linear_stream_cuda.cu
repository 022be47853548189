// The streaming kernel's shapes, by types and number of tokens.
#include "kernels/linear/linear_stream.cuh"

namespace fathom::kernels::cuda {
namespace {

// With few blocks for each multiprocessor, each needs a deeper ring. The bits are the same.
template <typename Wide, typename Narrow>
void run(const LinearTask& task, const CudaQueue& queue) {
  const bool is_narrow = task.out < int64_t{64} * queue.num_multiprocessors;
  if (is_narrow && Narrow::kSharedBytes <= queue.max_shared_bytes) {
    return launch_stream<Narrow>(task, queue);
  }
  launch_stream<Wide>(task, queue);
}

// Measured to be the fastest on an H200 with the shapes of a 7B model. Wide ones fit the 99 KiB of
// sm_86 and sm_89.
template <typename X, typename W, int kRowTiles, int kRowWarps, int kColumns, int kStages>
using Shape = StreamShape<X, W, kRowTiles, kRowWarps, kColumns, kStages>;

template <typename X, typename W>
void run_tokens(const LinearTask& task, const CudaQueue& queue) {
  if constexpr (sizeof(W) == sizeof(X)) {
    if (task.num_tokens <= 8) {
      return run<Shape<X, W, 1, 1, 1, 6>, Shape<X, W, 1, 1, 1, 10>>(task, queue);
    }
    if (task.num_tokens <= 16) {
      return run<Shape<X, W, 2, 1, 2, 5>, Shape<X, W, 2, 1, 2, 8>>(task, queue);
    }
    if (task.num_tokens <= 32) {
      return run<Shape<X, W, 2, 1, 4, 4>, Shape<X, W, 2, 1, 4, 6>>(task, queue);
    }
    run<Shape<X, W, 2, 1, 8, 3>, Shape<X, W, 2, 1, 8, 4>>(task, queue);
  } else {
    if (task.num_tokens <= 8) {
      return run<Shape<X, W, 2, 1, 1, 5>, Shape<X, W, 1, 1, 1, 10>>(task, queue);
    }
    if (task.num_tokens <= 16) {
      return run<Shape<X, W, 2, 2, 2, 4>, Shape<X, W, 2, 1, 2, 8>>(task, queue);
    }
    if (task.num_tokens <= 32) {
      return run<Shape<X, W, 2, 2, 4, 3>, Shape<X, W, 2, 1, 4, 6>>(task, queue);
    }
    run<Shape<X, W, 2, 2, 8, 2>, Shape<X, W, 2, 1, 8, 4>>(task, queue);
  }
}

}  // namespace

bool fits_linear_stream(const LinearTask& task, const CudaQueue& queue) {
  const bool is_f8 = task.w_type == Element::kF8E4M3;
  const bool is_wide = task.x_type == Element::kBF16 || task.x_type == Element::kF16;
  // linear_tiles has no quantized x, and with batch_invariant either must do.
  const bool is_quantized = is_f8 && task.x_type == Element::kF8E4M3 && !task.batch_invariant &&
                            task.num_tokens <= kMaxStreamTokens;
  const bool has_types =
      (is_wide && (task.w_type == task.x_type || (is_f8 && queue.architecture >= 89))) ||
      (is_quantized && queue.architecture >= 89);
  return queue.architecture >= 80 && has_types &&
         has_units(task.x, task.in, bytes_of(task.x_type)) &&
         has_units(task.w, task.in, bytes_of(task.w_type));
}

void linear_stream(const LinearTask& task, const CudaQueue& queue) {
  const bool is_f8 = task.w_type == Element::kF8E4M3;
  if (task.x_type == Element::kF8E4M3) {
    return run_tokens<__nv_fp8_e4m3, __nv_fp8_e4m3>(task, queue);
  }
  if (task.x_type == Element::kBF16) {
    return is_f8 ? run_tokens<__nv_bfloat16, __nv_fp8_e4m3>(task, queue)
                 : run_tokens<__nv_bfloat16, __nv_bfloat16>(task, queue);
  }
  return is_f8 ? run_tokens<__half, __nv_fp8_e4m3>(task, queue)
               : run_tokens<__half, __half>(task, queue);
}

}  // namespace fathom::kernels::cuda
