// A block for each row. The first pass takes the softmax and the target's rank; the second selects
// the likeliest, from the segments whose maximum may be among them.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/logit_segment.cuh"
#include "kernels/cuda/logit_select.cuh"

namespace fathom::kernels::cuda {
namespace {

struct LoadRaw {
  LogitRow row;
  __device__ void operator()(int first, LaneLogits& values) const {
    load_segment(row, first, values);
  }
};

// Dynamic shared memory, then maximum and sum of each segment.
struct RowShared {
  SelectScratch select;
  int num_greater;
  int num_listed;
  uint32_t keys[kWarpThreads];
  uint32_t ids[kWarpThreads];
};

// By the first warp: writes the listed tokens, at most a warp's threads, in order.
__device__ void write_list(const TopLogprobsTask& task, int64_t row, const RowSoftmax& softmax,
                           const RowShared& shared) {
  const int lane = lane_index();
  const int count = shared.num_listed;
  int32_t* ids = task.ids + row * task.k;
  float* logprobs = task.logprobs + row * task.k;
  if (lane < count) {
    const Bound own{shared.keys[lane], shared.ids[lane]};
    int rank = -1;  // it keeps itself
    for (int i = 0; i < count; ++i) rank += own.keeps(shared.keys[i], shared.ids[i]) ? 1 : 0;
    ids[rank] = static_cast<int32_t>(own.last_id);
    logprobs[rank] = log_softmax(softmax, logit_of(own.key));
  } else if (lane < task.k) {
    ids[lane] = -1;
    logprobs[lane] = -CUDART_INF_F;
  }
}

__device__ void list_likeliest(const TopLogprobsTask& task, const LoadRaw& load,
                               const RowSoftmax& softmax, const float* maxima, int num_segments,
                               RowShared& shared) {
  const int k = static_cast<int>(task.k);
  const uint32_t lowest =
      max(key_of(kth_maximum(maxima, num_segments, k, shared.select)), kLowestKey);
  Candidates candidates(load, maxima, num_segments, lowest, shared.select);
  Bound bound{lowest, UINT32_MAX};
  if (candidates.are_more_than(k)) {
    bound = narrow(
        candidates, bound, key_of(softmax.max_logit), static_cast<Mass>(k - 1),
        [](uint32_t) { return Mass{1}; }, shared.select);
  }
  candidates.visit(bound, [&](uint32_t key, uint32_t id) {
    const int at = atomicAdd(&shared.num_listed, 1);
    shared.keys[at] = key;
    shared.ids[at] = id;
  });
  __syncthreads();
  if (warp_index() == 0) write_list(task, blockIdx.x, softmax, shared);
}

__device__ void write_target(const TopLogprobsTask& task, const LogitRow& row, int target,
                             bool is_valid, int num_greater, const RowSoftmax& softmax) {
  task.target_ranks[blockIdx.x] = is_valid ? num_greater + 1 : 0;
  task.target_logprobs[blockIdx.x] =
      is_valid ? log_softmax(softmax, row.logits[target]) : -CUDART_INF_F;
}

__global__ void __launch_bounds__(kRowThreads, 1)
    list_rows(TopLogprobsTask task, int num_segments) {
  extern __shared__ uint4 dynamic[];
  wait_for_predecessor();
  let_successor_start();
  auto& shared = *reinterpret_cast<RowShared*>(dynamic);
  auto* maxima = reinterpret_cast<float*>(&shared + 1);
  float* sums = maxima + num_segments;
  const LogitRow row = logit_row(task.logits, blockIdx.x, task.vocab_rows, task.num_valid_tokens);
  const int target = task.targets[blockIdx.x];
  const bool is_valid = target >= 0 && target < row.num_valid;
  const float target_logit = is_valid ? fmaxf(row.logits[target], -CUDART_INF_F) : CUDART_INF_F;
  if (threadIdx.x == 0) shared.num_greater = shared.num_listed = 0;
  __syncthreads();
  int num_greater = 0;
  for (int s = warp_index(); s < num_segments; s += kRowWarps) {
    LaneLogits values;
    load_segment(row, s * kSegmentColumns, values);
    const float max_logit = warp_max(lane_max(values));
    const float sum = segment_mass(values, max_logit, kScaleOfOne);
#pragma unroll
    for (const float value : values) num_greater += value > target_logit ? 1 : 0;
    if (lane_index() == 0) {
      maxima[s] = max_logit;
      sums[s] = sum;
    }
  }
  if (num_greater > 0) atomicAdd(&shared.num_greater, num_greater);
  __syncthreads();
  const RowSoftmax softmax = merge_segments(
      num_segments, [&](int s) { return maxima[s]; }, [&](int s) { return sums[s]; },
      shared.select.block);
  if (threadIdx.x == 0) {
    write_target(task, row, target, is_valid, shared.num_greater, softmax);
  }
  if (task.k > 0) {
    list_likeliest(task, LoadRaw{row}, softmax, maxima, num_segments, shared);
  }
}

}  // namespace

void top_logprobs(const TopLogprobsTask& task, const CudaQueue& queue) {
  const int num_segments = num_segments_of(task.num_valid_tokens);
  launch(queue, "top_logprobs",
         {.grid = static_cast<unsigned>(task.num_rows),
          .block = kRowThreads,
          .shared_bytes =
              sizeof(RowShared) + kth_maximum_bytes(num_segments) + sizeof(float) * num_segments},
         Overlap::kWithPredecessor, list_rows, task, num_segments);
}

}  // namespace fathom::kernels::cuda
