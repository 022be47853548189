// Attention of one row: each block of the grid takes one split of one head's positions; the block
// of the first split merges them.
#pragma once

#include "kernels/decode_row/row_products.cuh"

namespace fathom::kernels::cuda {

inline constexpr int kBatch = 6;  // positions whose keys and values a lane has in flight
inline constexpr float kLog2E = 1.4426950408889634F;

struct AttentionScratch {
  float sums[kConsumerWarps][128];
  float maxima[kConsumerWarps];
  float weights[kConsumerWarps];
};

// The positions [first, end) of a head that this block attends to.
struct AttentionShare {
  uint32_t head;
  uint32_t split;
  uint32_t first;
  uint32_t end;
  uint32_t context;  // all positions; the last is of this step
  bool is_any;       // false: this block has no part

  __device__ AttentionShare(const DecodeRowTask& task) {
    context = min(static_cast<uint32_t>(max(task.context_lens[0], 0)),
                  task.max_blocks * task.block_tokens);
    head = blockIdx.x / task.num_splits;
    split = blockIdx.x % task.num_splits;
    is_any = head < task.num_heads;
    // Short contexts are not split: a split has work for all lanes.
    const uint32_t least = kConsumerThreads * kOctet / task.head_dim;
    const uint32_t share = max((context + task.num_splits - 1) / task.num_splits, least);
    first = min(split * share, context);
    end = min(first + share, context);
  }
};

// Where a position's key and value begin, in elements.
__device__ inline int64_t cache_offset(const DecodeRowTask& task, uint32_t kv_head,
                                       uint32_t position) {
  const uint32_t shift = __ffs(static_cast<int>(task.block_tokens)) - 1;
  const int64_t block = __ldg(task.block_tables + (position >> shift));
  const uint32_t in_block = position & (task.block_tokens - 1);
  return ((block * task.num_kv_heads + kv_head) * task.block_tokens + in_block) * task.head_dim;
}

// Sums on their way from block to block: each a word with the sum and a tag of the launch and
// layer, so that it arrives complete or not at all and its reader waits for nothing else.
struct SplitSums {
  static constexpr uint32_t kExtra = 2;  // words of a split besides head_dim: maximum, weights

  __device__ static void leave(uint64_t* words, uint32_t index, float value, uint32_t tag) {
    const uint64_t word = static_cast<uint64_t>(tag) << 32 | __float_as_uint(value);
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(words + index), "l"(word) : "memory");
  }
  __device__ static float take(const uint64_t* words, uint32_t index, uint32_t tag) {
    for (uint32_t polls = 0;; ++polls) {
      uint64_t word = 0;
      asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];"
                   : "=l"(word)
                   : "l"(words + index)
                   : "memory");
      if (static_cast<uint32_t>(word >> 32) == tag) {
        return __uint_as_float(static_cast<uint32_t>(word));
      }
      if (polls > kMaxPolls) __trap();
    }
  }
};

// One step of the model's attention in one layer. Keys and values of earlier steps may be fetched
// before this step's queries are known.
template <typename T, typename C>
class RowAttention {
 public:
  // The tag is another one for each layer and launch.
  __device__ RowAttention(const DecodeRowTask& task, const AttentionShare& share,
                          const DecodeRowLayerTask& layer, uint32_t tag)
      : task_(task),
        share_(share),
        tag_(tag),
        keys_(static_cast<const C*>(layer.keys)),
        values_(static_cast<const C*>(layer.values)),
        lanes_(task.head_dim / kOctet) {}

  // Fetches the first batch, the last position of the context apart.
  __device__ void fetch_early() { fetch(first_position(), false); }

  // Attends and leaves this block's sums. All consumer threads call it.
  __device__ void run(AttentionScratch& scratch) {
    const T* q = static_cast<const T*>(task_.q);
    float query[kOctet];
    widen_octet(load_octet(q + share_.head * task_.head_dim + dimension()), query);
    fetch_last();
    uint32_t position = first_position();
    while (true) {
      attend(query, position);
      position += kBatch * stride();
      if (!__any_sync(0xFFFFFFFFU, position < share_.end)) break;
      fetch(position, true);
    }
    merge_lanes();
    leave_sums(scratch);
  }

 private:
  __device__ uint32_t dimension() const { return threadIdx.x % lanes_ * kOctet; }
  __device__ uint32_t stride() const { return kConsumerThreads / lanes_; }
  __device__ uint32_t first_position() const { return share_.first + threadIdx.x / lanes_; }
  __device__ int64_t offset_of(uint32_t position) const {
    const uint32_t kv_head = share_.head / (task_.num_heads / task_.num_kv_heads);
    return cache_offset(task_, kv_head, position) + dimension();
  }

  __device__ void fetch(uint32_t position, bool has_last) {
#pragma unroll
    for (int i = 0; i < kBatch; ++i, position += stride()) {
      if (position >= share_.end || (!has_last && position + 1 == share_.context)) continue;
      const int64_t offset = offset_of(position);
      key_octets_[i] = load_octet(keys_ + offset);
      value_octets_[i] = load_octet(values_ + offset);
    }
  }
  __device__ void fetch_last() {
    if (share_.end != share_.context) return;
    uint32_t position = first_position();
#pragma unroll
    for (int i = 0; i < kBatch; ++i, position += stride()) {
      if (position + 1 != share_.context) continue;
      const int64_t offset = offset_of(position);
      key_octets_[i] = load_octet(keys_ + offset);
      value_octets_[i] = load_octet(values_ + offset);
    }
  }

  // The fetched batch, whose first position is `position`.
  __device__ void attend(const float (&query)[kOctet], uint32_t position) {
    float scores[kBatch];
    float new_max = max_;
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      float key[kOctet];
      widen_octet(key_octets_[i], key);
      float score = 0;
#pragma unroll
      for (int d = 0; d < static_cast<int>(kOctet); ++d) score = fmaf(query[d], key[d], score);
      for (uint32_t offset = lanes_ / 2; offset > 0; offset /= 2) {
        score += __shfl_xor_sync(0xFFFFFFFFU, score, static_cast<int>(offset));
      }
      scores[i] = score * (task_.scale * kLog2E);
      if (position + i * stride() < share_.end) new_max = fmaxf(new_max, scores[i]);
    }
    if (position >= share_.end) return;
    rescale(new_max);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (position + i * stride() >= share_.end) continue;
      const float weight = exp2f(scores[i] - max_);
      sum_ += weight;
      float value[kOctet];
      widen_octet(value_octets_[i], value);
#pragma unroll
      for (int d = 0; d < static_cast<int>(kOctet); ++d) {
        total_[d] = fmaf(weight, value[d], total_[d]);
      }
    }
  }

  __device__ void rescale(float new_max) {
    const float factor = max_ == -INFINITY ? 0.0F : exp2f(max_ - new_max);
    max_ = new_max;
    sum_ *= factor;
#pragma unroll
    for (float& total : total_) total *= factor;
  }

  // Over the groups of lanes of the warp, each of which took other positions.
  __device__ void merge_lanes() {
    for (uint32_t offset = lanes_; offset < kWarpThreads; offset *= 2) {
      const int lane_offset = static_cast<int>(offset);
      const float other_max = __shfl_xor_sync(0xFFFFFFFFU, max_, lane_offset);
      const float new_max = fmaxf(max_, other_max);
      if (new_max != -INFINITY) rescale(new_max);
      sum_ += __shfl_xor_sync(0xFFFFFFFFU, sum_, lane_offset);
#pragma unroll
      for (float& total : total_) total += __shfl_xor_sync(0xFFFFFFFFU, total, lane_offset);
    }
  }

  __device__ void leave_sums(AttentionScratch& scratch) {
    const uint32_t warp = threadIdx.x / kWarpThreads;
    const uint32_t lane = threadIdx.x % kWarpThreads;
    if (lane < lanes_) {
#pragma unroll
      for (int d = 0; d < static_cast<int>(kOctet); ++d) {
        scratch.sums[warp][lane * kOctet + d] = total_[d];
      }
    }
    if (lane == 0) {
      scratch.maxima[warp] = max_;
      scratch.weights[warp] = sum_;
    }
    sync_consumers();
    if (threadIdx.x >= task_.head_dim) return;
    float most = -INFINITY;
#pragma unroll
    for (const float each : scratch.maxima) most = fmaxf(most, each);
    float total = 0;
    float weights = 0;
#pragma unroll
    for (int i = 0; i < kConsumerWarps; ++i) {
      const float factor = scratch.maxima[i] == -INFINITY ? 0.0F : exp2f(scratch.maxima[i] - most);
      total = fmaf(factor, scratch.sums[i][threadIdx.x], total);
      weights = fmaf(factor, scratch.weights[i], weights);
    }
    if (share_.split != 0) {
      SplitSums::leave(own_split(share_.split), threadIdx.x, total, tag_);
      if (threadIdx.x == 0) {
        SplitSums::leave(own_split(share_.split), task_.head_dim, most, tag_);
        SplitSums::leave(own_split(share_.split), task_.head_dim + 1, weights, tag_);
      }
      return;
    }
    merge_splits(total, most, weights);
  }

  __device__ uint64_t* own_split(uint32_t split) const {
    return task_.split_sums +
           (share_.head * task_.num_splits + split) * (task_.head_dim + SplitSums::kExtra);
  }

  // Adds the other splits to the first one's sums, in their order, and leaves the head's vector.
  __device__ void merge_splits(float total, float most, float weights) const {
    for (uint32_t split = 1; split < task_.num_splits; ++split) {
      const float other_most = SplitSums::take(own_split(split), task_.head_dim, tag_);
      const float other_weights = SplitSums::take(own_split(split), task_.head_dim + 1, tag_);
      const float other_total = SplitSums::take(own_split(split), threadIdx.x, tag_);
      if (other_most == -INFINITY) continue;
      const float new_most = fmaxf(most, other_most);
      const float factor = most == -INFINITY ? 0.0F : exp2f(most - new_most);
      const float other_factor = exp2f(other_most - new_most);
      total = fmaf(total, factor, other_total * other_factor);
      weights = fmaf(weights, factor, other_weights * other_factor);
      most = new_most;
    }
    static_cast<T*>(task_.attended)[share_.head * task_.head_dim + threadIdx.x] =
        narrow<T>(weights > 0 ? total / weights : 0.0F);
  }

  const DecodeRowTask& task_;
  const AttentionShare& share_;
  uint32_t tag_;
  const C* keys_;
  const C* values_;
  uint32_t lanes_;  // that share a position
  Octet<C> key_octets_[kBatch] = {};
  Octet<C> value_octets_[kBatch] = {};
  float max_ = -INFINITY;  // of the scores in base 2
  float sum_ = 0;
  float total_[kOctet] = {};
};

}  // namespace fathom::kernels::cuda
