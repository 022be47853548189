// The streaming kernel by types and number of tokens.
#include <algorithm>

#include "kernels/linear/linear_stream.cuh"

namespace fathom::kernels::cuda {
namespace {

// Past the ring, asked of the second-level cache before the predecessor has ended.
constexpr int kAheadChunks = 4;

// One block a multiprocessor, so that a block of the successor finds room beside it and fills its
// ring early. Where the workspace is too small for parts of tiles to meet, a block has whole tiles.
template <typename S>
void run(const LinearTask& task, const CudaQueue& queue) {
  const int64_t num_tiles = (task.out + kTileRows - 1) / kTileRows;
  const int64_t num_chunks = (task.in + S::Units::kChunkIn - 1) / S::Units::kChunkIn;
  const int64_t num_blocks = std::min<int64_t>(queue.num_multiprocessors, num_tiles * num_chunks);
  // The same for all numbers of tokens, or their bits would differ.
  const int64_t meeting_bytes = kArrivalBytes + 2 * num_blocks * kMaxColumns * kStreamThreads * 16;
  if (task.workspace_bytes < meeting_bytes || num_tiles * 4 > kArrivalBytes) {
    return launch_stream<S, kAheadChunks>(task, {}, num_tiles, queue);
  }
  auto* const workspace = static_cast<char*>(task.workspace);
  const StreamMeeting meeting{.sums = reinterpret_cast<float4*>(workspace + kArrivalBytes),
                              .arrivals = reinterpret_cast<unsigned*>(workspace)};
  launch_stream<S, kAheadChunks>(task, meeting, num_blocks, queue);
}

// As many stages as let two blocks share a multiprocessor of sm_90, and one block one of sm_86.
template <typename X, typename W>
void run_tokens(const LinearTask& task, const CudaQueue& queue) {
  constexpr bool kIsF8 = sizeof(W) == 1;
  if (task.num_tokens <= 8) return run<StreamShape<X, W, 1, 5>>(task, queue);
  if (task.num_tokens <= 16) return run<StreamShape<X, W, 2, kIsF8 ? 4 : 5>>(task, queue);
  if (task.num_tokens <= 32) return run<StreamShape<X, W, 4, 4>>(task, queue);
  if (task.num_tokens <= 64) return run<StreamShape<X, W, 8, kIsF8 ? 3 : 4>>(task, queue);
  run<StreamShape<X, W, 16, kIsF8 ? 4 : 3, 2>>(task, queue);
}

// 128 tokens if a block may have the shared memory for them: fp8 takes 192 KiB.
int64_t tokens_at_once(const LinearTask& task, const CudaQueue& queue) {
  return task.w_type == Element::kF8E4M3 && queue.max_shared_bytes < (192 << 10)
             ? kMaxStreamTokens / 2
             : kMaxStreamTokens;
}

void run_types(const LinearTask& task, const CudaQueue& queue) {
  const bool is_f8 = task.w_type == Element::kF8E4M3;
  if (task.x_type == Element::kBF16) {
    return is_f8 ? run_tokens<__nv_bfloat16, __nv_fp8_e4m3>(task, queue)
                 : run_tokens<__nv_bfloat16, __nv_bfloat16>(task, queue);
  }
  return is_f8 ? run_tokens<__half, __nv_fp8_e4m3>(task, queue)
               : run_tokens<__half, __half>(task, queue);
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
  const int64_t step = tokens_at_once(task, queue);
  for (int64_t first = 0; first < task.num_tokens; first += step) {
    run_types(some_tokens(task, first, std::min(step, task.num_tokens - first)), queue);
  }
}

}  // namespace fathom::kernels::cuda
