// A block for each row: its warps take segments in turn.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/logit_segment.cuh"

namespace fathom::kernels::cuda {
namespace {

// Dynamic shared memory: maximum and sum of each segment.
__global__ void __launch_bounds__(kRowThreads) score_rows(TokenLogprobsTask task) {
  extern __shared__ float shared[];
  __shared__ BlockScratch scratch;
  wait_for_predecessor();
  let_successor_start();
  const int num_segments = num_segments_of(task.num_valid_tokens);
  float* maxima = shared;
  float* sums = shared + num_segments;
  const LogitRow row = logit_row(task.logits, blockIdx.x, task.vocab_rows, task.num_valid_tokens);
  for (int s = warp_index(); s < num_segments; s += kRowWarps) {
    LaneLogits values;
    load_segment(row, s * kSegmentColumns, values);
    const float max_logit = warp_max(lane_max(values));
    const float sum = segment_mass(values, max_logit, kScaleOfOne);
    if (lane_index() == 0) {
      maxima[s] = max_logit;
      sums[s] = sum;
    }
  }
  __syncthreads();
  const RowSoftmax softmax = merge_segments(
      num_segments, [&](int s) { return maxima[s]; }, [&](int s) { return sums[s]; }, scratch);
  if (threadIdx.x == 0) {
    const int target = task.targets[blockIdx.x];
    const bool is_valid = target >= 0 && target < row.num_valid;
    task.y[blockIdx.x] = is_valid ? log_softmax(softmax, row.logits[target]) : -CUDART_INF_F;
  }
}

}  // namespace

void token_logprobs(const TokenLogprobsTask& task, const CudaQueue& queue) {
  const size_t shared_bytes = 2 * sizeof(float) * num_segments_of(task.num_valid_tokens);
  launch(queue, "token_logprobs",
         {.grid = static_cast<unsigned>(task.num_rows),
          .block = kRowThreads,
          .shared_bytes = shared_bytes},
         Overlap::kWithPredecessor, score_rows, task);
}

}  // namespace fathom::kernels::cuda
