// The likeliest tokens of a row, by count or by mass, without sorting it.
//
// Logits become keys: unsigned numbers of the same order. A block counts the keys of a range in up
// to 2048 bins, goes on in the bin where the wanted count or mass is reached, and after at most
// three rounds knows one key. Equal keys are then told apart by id in the same way. Masses are
// fixed-point integers, so that sums have the same bits in whatever order threads add them.
#pragma once

#include "kernels/cuda/logit_segment.cuh"

namespace fathom::kernels::cuda {

using Mass = unsigned long long;

// Weights are at most 1, and rows shorter than 2^22: sums stay below 2^62.
inline constexpr float kMassOne = 0x1.0p40F;
inline constexpr int kBinBits = 11;
inline constexpr int kNumBins = 1 << kBinBits;
// Tokens that a block keeps in shared memory; a row with more candidates is read again instead.
inline constexpr int kMaxCandidates = 4096;
// So few are sorted.
inline constexpr int kMaxSorted = 256;
// Of the lowest finite logit.
inline constexpr uint32_t kLowestKey = 0x00800000U;

__device__ inline uint32_t key_of(float logit) {
  // -0 and 0 are equal: the sum makes both 0.
  const uint32_t bits = __float_as_uint(__fadd_rn(logit, 0.0F));
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}

__device__ inline float logit_of(uint32_t key) {
  return __uint_as_float((key >> 31) != 0 ? key & 0x7FFFFFFFU : ~key);
}

__device__ inline Mass mass_of(float weight) { return __float2ull_rz(weight * kMassOne); }

// Adds to a number in shared memory, which has only 32-bit sums.
__device__ inline void add_mass(Mass& sum, Mass mass) {
  auto* words = reinterpret_cast<uint32_t*>(&sum);
  const auto low = static_cast<uint32_t>(mass);
  const uint32_t before = atomicAdd(&words[0], low);
  const uint32_t high = static_cast<uint32_t>(mass >> 32) + (before + low < before ? 1U : 0U);
  if (high != 0) atomicAdd(&words[1], high);
}

__device__ inline Mass warp_running_sum(Mass value) {
  for (int offset = 1; offset < kWarpThreads; offset *= 2) {
    const Mass other = __shfl_up_sync(0xFFFFFFFFU, value, offset);
    if (lane_index() >= offset) value += other;
  }
  return value;
}

// Those at or above a key; of those at it, the ids up to last_id.
struct Bound {
  uint32_t key;
  uint32_t last_id;
  __device__ bool keeps(uint32_t other_key, uint32_t id) const {
    return other_key > key || (other_key == key && id <= last_id);
  }
};

// Where a running sum passes a target.
struct Place {
  int index;  // -1: nowhere
  Mass before;
  Mass at;
};

// Shared memory of a block that selects.
struct SelectScratch {
  BlockScratch block;
  Mass bins[kNumBins];
  Mass warp_totals[kWarpThreads];
  Place place;
  uint32_t keys[kMaxCandidates];
  uint32_t ids[kMaxCandidates];
  int num_candidates;
  float bound;
};

// The first of `weights` at which the sum up to it is greater than target_of(sum of all). By a
// block of kRowThreads; what was written to `weights` before is seen.
template <typename TargetOf>
__device__ Place find_place(const Mass* weights, int count, TargetOf target_of,
                            SelectScratch& scratch) {
  const int each = (count + kRowThreads - 1) / kRowThreads;
  const int first = min(static_cast<int>(threadIdx.x) * each, count);
  const int last = min(first + each, count);
  __syncthreads();
  Mass own = 0;
  for (int i = first; i < last; ++i) own += weights[i];
  Mass before = warp_running_sum(own);
  if (lane_index() == kWarpThreads - 1) scratch.warp_totals[warp_index()] = before;
  if (threadIdx.x == 0) scratch.place = {-1, 0, 0};
  __syncthreads();
  const Mass warps =
      warp_running_sum(lane_index() < kRowWarps ? scratch.warp_totals[lane_index()] : 0);
  const Mass target = target_of(__shfl_sync(0xFFFFFFFFU, warps, kWarpThreads - 1));
  const Mass warps_before = __shfl_sync(0xFFFFFFFFU, warps, max(warp_index() - 1, 0));
  before = before - own + (warp_index() > 0 ? warps_before : 0);
  if (before <= target && target < before + own) {
    int i = first;
    while (before + weights[i] <= target) before += weights[i++];
    scratch.place = {i, before, weights[i]};
  }
  __syncthreads();
  return scratch.place;
}

struct Crossing {
  bool is_found;
  uint32_t distance;
  Mass before;
  Mass at;
};

// Elements have a distance, at most `span`, and a weight; in order of distance, where does the sum
// of weights pass `target`? visit_all(visit) calls visit(distance, weight) for every element,
// anywhere in the block; before each round but the first, focus(first, last) says which distances
// still matter.
template <typename VisitAll, typename Focus>
__device__ Crossing find_crossing(uint32_t span, Mass target, VisitAll visit_all, Focus focus,
                                  SelectScratch& scratch) {
  uint32_t base = 0;
  Mass before = 0;
  while (true) {
    const int shift = max(32 - __clz(static_cast<int>(span)) - kBinBits, 0);
    const int num_bins = static_cast<int>(span >> shift) + 1;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < num_bins; i += kRowThreads) {
      scratch.bins[i] = 0;
    }
    __syncthreads();
    visit_all([&](uint32_t distance, Mass weight) {
      const uint32_t offset = distance - base;  // wraps to above the span before the base
      if (offset <= span) add_mass(scratch.bins[offset >> shift], weight);
    });
    const Place place =
        find_place(scratch.bins, num_bins, [&](Mass) { return target - before; }, scratch);
    if (place.index < 0) return {false, 0, 0, 0};
    const uint32_t skipped = static_cast<uint32_t>(place.index) << shift;
    base += skipped;
    before += place.before;
    if (shift == 0) return {true, base, before, place.at};
    span = min(span - skipped, (1U << shift) - 1);
    focus(base, base + span);
  }
}

// A row's tokens at or above a bound. Load: first column, LaneLogits& -> void, by a warp. All
// methods are called by the whole block.
template <typename Load>
class Candidates {
 public:
  // Those at or above `lowest`; segments whose maximum is below are not read.
  __device__ Candidates(Load load, const float* maxima, int num_segments, uint32_t lowest,
                        SelectScratch& scratch)
      : load_(load), maxima_(maxima), num_segments_(num_segments), scratch_(scratch) {
    holds_all_ = collect(lowest, UINT32_MAX);
    is_sorted_ = holds_all_ && count_ <= kMaxSorted;
    if (is_sorted_) sort();
  }

  // Only if they are in shared memory: others are not counted to the end.
  __device__ int count() const { return count_; }
  __device__ bool are_more_than(int limit) const { return !holds_all_ || count_ > limit; }
  __device__ bool are_in_shared() const { return holds_all_; }
  // In order of likelihood, then of id.
  __device__ bool are_sorted() const { return is_sorted_; }
  __device__ uint32_t key(int i) const { return scratch_.keys[i]; }
  __device__ uint32_t id(int i) const { return scratch_.ids[i]; }
  __device__ uint32_t last_id() const { return num_segments_ * kSegmentColumns - 1; }

  // Until unfocus(), only keys in [low, high] need be visited: they may fit into shared memory
  // where all do not.
  __device__ void focus(uint32_t low, uint32_t high) {
    if (!holds_all_ && !holds_focus_) holds_focus_ = collect(low, high);
  }
  __device__ void unfocus() { holds_focus_ = false; }

  // Calls visit(key, id) for each that the bound keeps, anywhere in the block, in no order.
  template <typename Visit>
  __device__ void visit(Bound bound, Visit each) const {
    const auto visit_kept = [&](uint32_t key, uint32_t id) {
      if (bound.keeps(key, id)) each(key, id);
    };
    if (holds_all_ || holds_focus_) {
      for (int i = static_cast<int>(threadIdx.x); i < count_; i += kRowThreads) {
        visit_kept(scratch_.keys[i], scratch_.ids[i]);
      }
      return;
    }
    visit_segments(bound.key, [&](int segment, const LaneLogits& values) {
#pragma unroll
      for (int i = 0; i < kLaneColumns; ++i) {
        visit_kept(key_of(values[i]), segment * kSegmentColumns + lane_column(i, lane_index()));
      }
    });
  }

  // Calls visit(segment, logits) by whole warps, for segments with a key from `lowest` on.
  template <typename Visit>
  __device__ void visit_segments(uint32_t lowest, Visit each) const {
    for (int s = warp_index(); s < num_segments_; s += kRowWarps) {
      if (key_of(maxima_[s]) < lowest) continue;
      LaneLogits values;
      load_(s * kSegmentColumns, values);
      each(s, values);
    }
  }

 private:
  // Into shared memory; false if they do not fit.
  __device__ bool collect(uint32_t low, uint32_t high) {
    __syncthreads();
    if (threadIdx.x == 0) scratch_.num_candidates = 0;
    __syncthreads();
    visit_segments(low, [&](int segment, const LaneLogits& values) {
      if (__any_sync(0xFFFFFFFFU,
                     *static_cast<volatile int*>(&scratch_.num_candidates) > kMaxCandidates)) {
        return;
      }
#pragma unroll
      for (int i = 0; i < kLaneColumns; ++i) {
        const uint32_t key = key_of(values[i]);
        if (key < low || key > high) continue;
        const int at = atomicAdd(&scratch_.num_candidates, 1);
        if (at >= kMaxCandidates) continue;
        scratch_.keys[at] = key;
        scratch_.ids[at] = segment * kSegmentColumns + lane_column(i, lane_index());
      }
    });
    __syncthreads();
    count_ = scratch_.num_candidates;
    return count_ <= kMaxCandidates;
  }

  // Each counts those before it; 4 threads share the work of one.
  __device__ void sort() {
    static_assert(kRowThreads % 4 == 0 && 2 * kMaxSorted <= kMaxCandidates);
    for (int first = 0; first < count_; first += kRowThreads / 4) {
      const int own = min(first + static_cast<int>(threadIdx.x) / 4, count_ - 1);
      const Bound place{scratch_.keys[own], scratch_.ids[own]};
      int rank = 0;
      for (int i = static_cast<int>(threadIdx.x) % 4; i < count_; i += 4) {
        rank += place.keeps(scratch_.keys[i], scratch_.ids[i]) ? 1 : 0;
      }
      rank += __shfl_xor_sync(0xFFFFFFFFU, rank, 1);
      rank += __shfl_xor_sync(0xFFFFFFFFU, rank, 2);
      // It keeps itself: ranks count from 1.
      scratch_.keys[kMaxSorted + rank - 1] = place.key;
      scratch_.ids[kMaxSorted + rank - 1] = place.last_id;
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < count_; i += kRowThreads) {
      scratch_.keys[i] = scratch_.keys[kMaxSorted + i];
      scratch_.ids[i] = scratch_.ids[kMaxSorted + i];
    }
    __syncthreads();
  }

  Load load_;
  const float* maxima_;
  int num_segments_;
  int count_ = 0;
  bool holds_all_ = false;    // the candidates in shared memory are
  bool holds_focus_ = false;  // those of the focus are
  bool is_sorted_ = false;
  SelectScratch& scratch_;
};

// narrow() of candidates that are sorted.
template <typename Load, typename WeightOf>
__device__ Bound narrow_sorted(const Candidates<Load>& candidates, Bound bound, Mass target,
                               WeightOf weight_of_key, SelectScratch& scratch) {
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < candidates.count(); i += kRowThreads) {
    const uint32_t key = candidates.key(i);
    scratch.bins[i] = bound.keeps(key, candidates.id(i)) ? weight_of_key(key) : 0;
  }
  const Place last =
      find_place(scratch.bins, candidates.count(), [&](Mass) { return target; }, scratch);
  if (last.index < 0) return bound;
  return {candidates.key(last.index), candidates.id(last.index)};
}

// Of the candidates that `bound` keeps, in order of likelihood and then of id, the fewest whose
// weights together pass `target`: all if they do not. No key is above top_key.
template <typename Load, typename WeightOf>
__device__ Bound narrow(Candidates<Load>& candidates, Bound bound, uint32_t top_key, Mass target,
                        WeightOf weight_of_key, SelectScratch& scratch) {
  if (candidates.are_sorted()) {
    return narrow_sorted(candidates, bound, target, weight_of_key, scratch);
  }
  const Crossing crossing = find_crossing(
      top_key - bound.key, target,
      [&](auto visit) {
        candidates.visit(bound,
                         [&](uint32_t key, uint32_t) { visit(top_key - key, weight_of_key(key)); });
      },
      [&](uint32_t first, uint32_t last) { candidates.focus(top_key - last, top_key - first); },
      scratch);
  if (!crossing.is_found) return bound;
  const uint32_t key = top_key - crossing.distance;
  Bound result{key, key == bound.key ? bound.last_id : UINT32_MAX};
  const Mass each = weight_of_key(key);
  const Mass num_wanted = (target - crossing.before) / each + 1;
  if (num_wanted * each < crossing.at) {
    // Not all of the equal ones: the lowest ids.
    const Crossing last = find_crossing(
        candidates.last_id(), num_wanted - 1,
        [&](auto visit) {
          candidates.visit(result, [&](uint32_t other_key, uint32_t id) {
            if (other_key == key) visit(id, 1);
          });
        },
        [](uint32_t, uint32_t) {}, scratch);
    result.last_id = last.distance;
  }
  candidates.unfocus();
  return result;
}

// Shared memory for kth_maximum's maxima: whole groups of four, since the compiler may read the
// loop's next ones before it knows whether there are any.
inline size_t kth_maximum_bytes(int num_segments) {
  return (static_cast<size_t>(num_segments) + 3) / 4 * 4 * sizeof(float);
}

// The k-th greatest of the segments' maxima, which the k-th greatest logit is not below; -infinity
// if there are fewer. By the block.
__device__ inline float kth_maximum(const float* maxima, int num_segments, int k,
                                    SelectScratch& scratch) {
  if (k > num_segments) return -CUDART_INF_F;
  __syncthreads();
  for (int s = static_cast<int>(threadIdx.x); s < num_segments; s += kRowThreads) {
    const float own = maxima[s];
    int num_before = 0;
    for (int other = 0; other < num_segments; ++other) {
      const float value = maxima[other];
      num_before += value > own || (value == own && other < s) ? 1 : 0;
    }
    if (num_before == k - 1) scratch.bound = own;
  }
  __syncthreads();
  return scratch.bound;
}

}  // namespace fathom::kernels::cuda
