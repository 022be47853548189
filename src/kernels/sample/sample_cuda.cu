// Two kernels. A warp for each segment of each row reads the logits once: maximum, softmax sums.
// Then a block for each row merges the segments, which is all that a greedy row needs. A draw
// looks for its segment in their running mass and reads that one again. With filters, bounds from
// the segments' maxima leave few candidates; these are selected by count and by mass.
#include "footprint/scratch.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/logit_segment.cuh"
#include "kernels/cuda/logit_select.cuh"
#include "kernels/sample/adjust_logits.cuh"
#include "kernels/sample/philox.h"

namespace fathom::kernels::cuda {
namespace {

constexpr int kSummaryWarps = 8;
constexpr int kNoToken = INT32_MAX;
// Times -infinity it is no NaN, and finite logits weigh the same.
constexpr float kLeastScale = 0x1.0p-126F;

// Of one segment, in the workspace. After the adjustments: maximum, its first column, and the mass
// beside it if the row draws from all tokens; before them: maximum and sum.
struct SegmentSummary {
  float max_logit;
  int32_t first_of_max;
  float mass;
  float raw_max;
  float raw_sum;
};
static_assert(sizeof(SegmentSummary) == footprint::kSampleSummaryFloats * sizeof(float));
static_assert(kSegmentColumns == footprint::kSampleSegmentColumns);

// What a row draws by.
struct Filters {
  float temperature;  // 0: greedy
  float scale;        // for weight_of
  int top_k;          // 0 is off
  float top_p;
  float min_p;
};

__device__ Filters filters_of(const SampleTask& task, int64_t row) {
  const float temperature = task.temperature[row];
  const int top_k = task.top_k[row];
  return {.temperature = temperature,
          .scale = fminf(fmaxf(kScaleOfOne / temperature, kLeastScale), CUDART_MAX_NORMAL_F),
          .top_k = top_k > 0 && top_k < task.num_valid_tokens ? top_k : 0,
          .top_p = task.top_p[row],
          .min_p = task.min_p[row]};
}

__device__ int first_column_of(const LaneLogits& values, int first, float wanted) {
  int column = kNoToken;
#pragma unroll
  for (int i = kLaneColumns - 1; i >= 0; --i) {
    if (values[i] == wanted) column = first + lane_column(i, lane_index());
  }
  return warp_min(column);
}

// kMayAdjust: whether any row has adjustments.
template <bool kMayAdjust>
__global__ void __launch_bounds__(kSummaryWarps* kWarpThreads)
    summarize_segments(SampleTask task, int num_segments) {
  wait_for_predecessor();
  let_successor_start();
  const int segment = static_cast<int>(blockIdx.x) * kSummaryWarps + warp_index();
  if (segment >= num_segments) return;
  const int64_t row_index = blockIdx.y;
  const int first = segment * kSegmentColumns;
  LaneLogits values;
  load_segment(logit_row(task.logits, row_index, task.vocab_rows, task.num_valid_tokens), first,
               values);
  const Filters filters = filters_of(task, row_index);
  SegmentSummary summary{};
  summary.raw_max = warp_max(lane_max(values));
  summary.raw_sum = segment_mass(values, summary.raw_max, kScaleOfOne);
  summary.max_logit = summary.raw_max;
  bool is_adjusted = false;
  if constexpr (kMayAdjust) {
    const AdjustedRow row = adjusted_row(task, row_index);
    is_adjusted = row.is_adjusted();
    if (is_adjusted) {
      adjust_segment(row, first, values);
      summary.max_logit = warp_max(lane_max(values));
    }
  }
  summary.first_of_max = first_column_of(values, first, summary.max_logit);
  if (filters.temperature > 0.0F && filters.top_k == 0) {
    summary.mass = filters.scale == kScaleOfOne && !is_adjusted
                       ? summary.raw_sum
                       : segment_mass(values, summary.max_logit, filters.scale);
  }
  if (lane_index() == 0) {
    reinterpret_cast<SegmentSummary*>(task.workspace)[row_index * num_segments + segment] = summary;
  }
}

// Loads a segment of the row after its adjustments.
template <bool kMayAdjust>
struct LoadAdjusted {
  LogitRow raw;
  const AdjustedRow* row;
  __device__ void operator()(int first, LaneLogits& values) const {
    load_segment(raw, first, values);
    if constexpr (kMayAdjust) adjust_segment(*row, first, values);
  }
};

// What the row's likeliest token is, and what may be drawn beside it.
struct Likeliest {
  float logit;
  int token;
};
struct Kept {
  Bound bound;
  float min_weight;
};

// The dynamic shared memory of draw_tokens.
struct RowShared {
  SelectScratch* select;
  Mass* masses;   // of each segment
  float* maxima;  // of each segment
};

__device__ RowShared row_shared(int num_segments) {
  extern __shared__ uint4 shared[];
  auto* select = reinterpret_cast<SelectScratch*>(shared);
  auto* masses = reinterpret_cast<Mass*>(select + 1);
  return {select, masses, reinterpret_cast<float*>(masses + num_segments)};
}

size_t row_shared_bytes(int num_segments) {
  return sizeof(SelectScratch) + num_segments * sizeof(Mass) + kth_maximum_bytes(num_segments);
}

// Logits that may weigh `least` of the likeliest one's weight: those below it do not.
__device__ uint32_t key_of_weight(const Filters& filters, float max_logit, double least) {
  if (!(least > 0.0)) return kLowestKey;
  // Rounding moves neither the exponent by as much as the 0.999 does, nor the sum by 1e-6.
  const float lower = log2f(static_cast<float>(least) * 0.999F) / filters.scale;
  const float bound = max_logit + lower - fabsf(max_logit) * 1e-6F;
  return max(key_of(fmaxf(bound, -CUDART_MAX_NORMAL_F)), kLowestKey);
}

// A bound that nothing the filters keep is below. `total` is 0 with a top-k.
__device__ uint32_t lowest_candidate(const SampleTask& task, const Filters& filters,
                                     float max_logit, double total, int num_segments,
                                     const RowShared& shared) {
  uint32_t lowest = kLowestKey;
  if (filters.top_k > 0) {
    const float bound = kth_maximum(shared.maxima, num_segments, filters.top_k, *shared.select);
    lowest = max(lowest, key_of(bound));
  } else if (filters.top_p < 1.0F) {
    // All tokens below this together weigh less than 1 - top_p of the total.
    const double tail = (1.0 - filters.top_p) * total / static_cast<double>(task.num_valid_tokens);
    lowest = key_of_weight(filters, max_logit, tail);
  }
  // Top-p after top-k wants the mass of all that top-k keeps.
  if (filters.top_k == 0 || filters.top_p >= 1.0F) {
    lowest = max(lowest, key_of_weight(filters, max_logit, filters.min_p));
  }
  return min(lowest, key_of(max_logit));
}

// By the block: in `total` the sum of `own` over its threads.
__device__ Mass block_mass(Mass own, Mass& total) {
  __syncthreads();
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  own = __shfl_sync(0xFFFFFFFFU, warp_running_sum(own), kWarpThreads - 1);
  if (lane_index() == 0) add_mass(total, own);
  __syncthreads();
  return total;
}

template <typename Load>
__device__ Bound filter(Candidates<Load>& candidates, const Filters& filters, float max_logit,
                        double total, uint32_t lowest, SelectScratch& scratch) {
  const uint32_t top_key = key_of(max_logit);
  const auto mass_of_key = [&](uint32_t key) {
    return mass_of(weight_of(logit_of(key), max_logit, filters.scale));
  };
  Bound bound{lowest, UINT32_MAX};
  if (filters.top_k > 0) {
    if (candidates.are_more_than(filters.top_k)) {
      bound = narrow(
          candidates, bound, top_key, static_cast<Mass>(filters.top_k - 1),
          [](uint32_t) { return Mass{1}; }, scratch);
    }
    if (filters.top_p >= 1.0F) return bound;
    Mass own = 0;
    candidates.visit(bound, [&](uint32_t key, uint32_t) { own += mass_of_key(key); });
    total = static_cast<double>(block_mass(own, scratch.place.at));
  } else {
    total *= kMassOne;
  }
  if (filters.top_p >= 1.0F) return bound;
  const Mass limit = __double2ull_ru(total * filters.top_p);
  return narrow(candidates, bound, top_key, max(limit, Mass{1}) - 1, mass_of_key, scratch);
}

// The mass of what is kept, for each segment.
template <typename Load>
__device__ void weigh_segments(const Candidates<Load>& candidates, const Kept& kept,
                               const Filters& filters, float max_logit, int num_segments,
                               Mass* masses) {
  const auto kept_mass = [&](uint32_t key, uint32_t id) {
    const float weight = weight_of(logit_of(key), max_logit, filters.scale);
    return kept.bound.keeps(key, id) && weight >= kept.min_weight ? mass_of(weight) : Mass{0};
  };
  __syncthreads();
  for (int s = static_cast<int>(threadIdx.x); s < num_segments; s += kRowThreads) masses[s] = 0;
  __syncthreads();
  if (candidates.are_in_shared()) {
    candidates.visit(kept.bound, [&](uint32_t key, uint32_t id) {
      add_mass(masses[id / kSegmentColumns], kept_mass(key, id));
    });
    return;
  }
  candidates.visit_segments(kept.bound.key, [&](int segment, const LaneLogits& values) {
    Mass own = 0;
#pragma unroll
    for (int i = 0; i < kLaneColumns; ++i) {
      own += kept_mass(key_of(values[i]), segment * kSegmentColumns + lane_column(i, lane_index()));
    }
    own = warp_running_sum(own);
    if (lane_index() == kWarpThreads - 1) masses[segment] = own;
  });
}

// By a warp: the first token of the segment at which the kept mass up to it passes `target`; the
// last that has any if rounding left a crumb; kNoToken if none has. `values` become weights.
__device__ int find_token(LaneLogits& values, int first, const Kept& kept, float scale,
                          float max_logit, Mass target) {
  constexpr int kNumPacks = kLaneColumns / 4;
  int last = -1;
  Mass own[kNumPacks];
  Mass up_to[kNumPacks];
#pragma unroll
  for (int pack = 0; pack < kNumPacks; ++pack) {
    own[pack] = 0;
#pragma unroll
    for (int i = 4 * pack; i < 4 * pack + 4; ++i) {
      const int column = first + lane_column(i, lane_index());
      const float weight = weight_of(values[i], max_logit, scale);
      const bool is_kept = kept.bound.keeps(key_of(values[i]), column) && weight >= kept.min_weight;
      values[i] = is_kept ? weight : 0.0F;
      const Mass mass = mass_of(values[i]);
      if (mass > 0) last = column;
      own[pack] += mass;
    }
    up_to[pack] = warp_running_sum(own[pack]);
  }
  Mass before = 0;
#pragma unroll
  for (int pack = 0; pack < kNumPacks; ++pack) {
    const uint32_t passed = __ballot_sync(0xFFFFFFFFU, before + up_to[pack] > target);
    if (passed != 0) {
      Mass sum = before + up_to[pack] - own[pack];
      int column = first + lane_column(4 * pack, lane_index());
#pragma unroll
      for (int i = 4 * pack; i < 4 * pack + 3; ++i) {
        sum += mass_of(values[i]);
        column += sum <= target ? 1 : 0;
      }
      return __shfl_sync(0xFFFFFFFFU, column, __ffs(static_cast<int>(passed)) - 1);
    }
    before += __shfl_sync(0xFFFFFFFFU, up_to[pack], kWarpThreads - 1);
  }
  last = -warp_min(-last);
  return last >= 0 ? last : kNoToken;
}

// What a block knows of its row.
struct Row {
  LogitRow raw;
  const AdjustedRow* adjusted;
  Filters filters;
  Mass uniform;  // 32 bits
  Likeliest likeliest;
  const SegmentSummary* summaries;
  int num_segments;
};

// Draws by the masses of the segments; valid in the first warp.
template <typename Load>
__device__ int draw(const Row& row, const Load& load, const Kept& kept, const RowShared& shared) {
  Mass target = 0;
  const Place place = find_place(
      shared.masses, row.num_segments,
      [&](Mass total) { return target = __umul64hi(total, row.uniform << 32); }, *shared.select);
  if (warp_index() != 0 || place.index < 0) return row.likeliest.token;
  const int first = place.index * kSegmentColumns;
  LaneLogits values;
  load(first, values);
  const int token = find_token(values, first, kept, row.filters.scale, row.likeliest.logit,
                               target - place.before);
  return token == kNoToken ? row.likeliest.token : token;
}

// The token of a row that is not greedy.
template <bool kMayAdjust>
__device__ int draw_filtered(const SampleTask& task, const Row& row, const RowShared& shared) {
  const LoadAdjusted<kMayAdjust> load{row.raw, row.adjusted};
  const Filters& filters = row.filters;
  const float max_logit = row.likeliest.logit;
  Kept kept{.bound = {kLowestKey, UINT32_MAX}, .min_weight = filters.min_p};
  float own = 0.0F;
  for (int s = static_cast<int>(threadIdx.x); s < row.num_segments; s += kRowThreads) {
    const SegmentSummary& summary = row.summaries[s];
    const float mass = summary.mass * weight_of(summary.max_logit, max_logit, filters.scale);
    own += mass;
    shared.masses[s] = mass_of(mass);
    shared.maxima[s] = summary.max_logit;
  }
  if (filters.top_k > 0 || filters.top_p < 1.0F || filters.min_p > 0.0F) {
    const double total = row_sum(own, shared.select->block);
    const uint32_t lowest =
        lowest_candidate(task, filters, max_logit, total, row.num_segments, shared);
    Candidates candidates(load, shared.maxima, row.num_segments, lowest, *shared.select);
    kept.bound = filter(candidates, filters, max_logit, total, lowest, *shared.select);
    weigh_segments(candidates, kept, filters, max_logit, row.num_segments, shared.masses);
  }
  return draw(row, load, kept, shared);
}

__device__ Likeliest likeliest_of(const SegmentSummary* summaries, int num_segments,
                                  BlockScratch& scratch) {
  Likeliest likeliest{-CUDART_INF_F, kNoToken};
  for (int s = static_cast<int>(threadIdx.x); s < num_segments; s += kRowThreads) {
    likeliest.logit = fmaxf(likeliest.logit, summaries[s].max_logit);
  }
  likeliest.logit = row_max(likeliest.logit, scratch);
  for (int s = static_cast<int>(threadIdx.x); s < num_segments; s += kRowThreads) {
    if (summaries[s].max_logit == likeliest.logit) {
      likeliest.token = min(likeliest.token, summaries[s].first_of_max);
    }
  }
  likeliest.token = row_min(likeliest.token, scratch);
  return likeliest;
}

template <bool kMayAdjust>
__global__ void __launch_bounds__(kRowThreads, 1) draw_tokens(SampleTask task, int num_segments) {
  wait_for_predecessor();
  let_successor_start();
  const RowShared shared = row_shared(num_segments);
  const int64_t index = blockIdx.x;
  Row row{};
  row.num_segments = num_segments;
  row.summaries = reinterpret_cast<const SegmentSummary*>(task.workspace) + index * num_segments;
  row.filters = filters_of(task, index);
  row.uniform = philox_bits(task.seeds[index], task.counters[index]);
  row.raw = logit_row(task.logits, index, task.vocab_rows, task.num_valid_tokens);
  if constexpr (kMayAdjust) {
    // Not in registers: filters need them.
    __shared__ AdjustedRow adjusted;
    if (threadIdx.x == 0) adjusted = adjusted_row(task, index);
    row.adjusted = &adjusted;
  }
  BlockScratch& scratch = shared.select->block;
  const RowSoftmax softmax = merge_segments(
      num_segments, [&](int s) { return row.summaries[s].raw_max; },
      [&](int s) { return row.summaries[s].raw_sum; }, scratch);
  __syncthreads();
  row.likeliest = likeliest_of(row.summaries, num_segments, scratch);
  int token = row.likeliest.token;
  if (row.likeliest.logit == -CUDART_INF_F) {
    token = -1;
  } else if (row.filters.temperature > 0.0F && isfinite(row.likeliest.logit)) {
    token = draw_filtered<kMayAdjust>(task, row, shared);
  }
  if (threadIdx.x == 0) {
    task.tokens[index] = token;
    task.logprobs[index] = token >= 0 ? log_softmax(softmax, row.raw.logits[token]) : -CUDART_INF_F;
  }
}

}  // namespace

void sample(const SampleTask& task, const CudaQueue& queue) {
  const int num_segments = num_segments_of(task.num_valid_tokens);
  const auto num_rows = static_cast<unsigned>(task.num_rows);
  const auto num_blocks = static_cast<unsigned>((num_segments + kSummaryWarps - 1) / kSummaryWarps);
  const bool may_adjust =
      task.penalty_slots != nullptr || task.bias_starts != nullptr || task.mask_rows != nullptr;
  launch(queue, "sample: segments",
         {.grid = {num_blocks, num_rows, 1}, .block = kSummaryWarps * kWarpThreads},
         Overlap::kWithPredecessor,
         may_adjust ? summarize_segments<true> : summarize_segments<false>, task, num_segments);
  launch(queue, "sample: draw",
         {.grid = num_rows, .block = kRowThreads, .shared_bytes = row_shared_bytes(num_segments)},
         Overlap::kWithPredecessor, may_adjust ? draw_tokens<true> : draw_tokens<false>, task,
         num_segments);
}

}  // namespace fathom::kernels::cuda
