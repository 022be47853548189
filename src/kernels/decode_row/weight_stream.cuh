// The stream of weights into shared memory: bulk copies into a ring of stages, and who gets which
// rows.
//
// One warp of a block (the producer) walks the block's rows of every matrix of every layer and
// copies them into the ring as fast as it empties; it knows nothing of the activations, so it runs
// ahead through the barriers between the layers' parts. All other warps walk the same stages and
// give each back when they have read it. Both sides compute the places of the stages alike.
#pragma once

#include <stdint.h>

#include "kernels/kernel_tasks.h"

namespace fathom::kernels::cuda {

inline constexpr uint32_t kMaxStages = 32;  // in flight: a lane of the producer minds each
inline constexpr uint32_t kHeadMatrix = 4;
inline constexpr uint32_t kNumLayerMatrices = 4;

// A wait that lasts this many polls (seconds) is a fault: it stops the kernel with an error rather
// than hang the process.
inline constexpr uint32_t kMaxPolls = 1U << 26;

struct StreamBarriers {
  uint64_t full[kMaxStages];
  uint64_t empty[kMaxStages];
};

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ inline void init_barrier(uint64_t* barrier, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count)
               : "memory");
}

__device__ inline void arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
}

__device__ inline void arrive_expecting(uint64_t* barrier, uint32_t num_bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(num_bytes)
      : "memory");
}

__device__ inline void wait_for_phase(uint64_t* barrier, uint32_t parity) {
  const uint32_t address = shared_address(barrier);
  for (uint32_t polls = 0;; ++polls) {
    uint32_t is_done = 0;
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
        "selp.u32 %0, 1, 0, done;\n"
        "}"
        : "=r"(is_done)
        : "r"(address), "r"(parity)
        : "memory");
    if (is_done != 0) return;
    if (polls > kMaxPolls) __trap();
  }
}

// Weights are read once a token: they leave the L2 cache first.
__device__ inline uint64_t read_once_policy() {
  uint64_t policy = 0;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

__device__ inline void copy_to_shared(void* to, const void* from, uint32_t num_bytes,
                                      uint64_t* barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1], %2, [%3], %4;" ::"r"(shared_address(to)),
      "l"(from), "r"(num_bytes), "r"(shared_address(barrier)), "l"(policy)
      : "memory");
}

__device__ inline void prefetch_to_l2(const void* from, uint32_t num_bytes) {
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(num_bytes) : "memory");
}

// This block's units of a matrix. The blocks that get one more than others are other ones in each
// layer, so that all have read about the same at the end.
struct UnitRange {
  uint32_t first;
  uint32_t count;
};

__device__ inline UnitRange own_units(const DecodeRowMatrix& matrix, uint32_t layer) {
  const uint32_t shift = layer * matrix.units_rest % gridDim.x;
  const uint32_t place = blockIdx.x >= shift ? blockIdx.x - shift : blockIdx.x + gridDim.x - shift;
  return {place * matrix.units_each + min(place, matrix.units_rest),
          matrix.units_each + (place < matrix.units_rest ? 1U : 0U)};
}

// The row of a unit, or the first of its pair.
__device__ inline uint32_t first_row_of(const DecodeRowMatrix& matrix, uint32_t unit) {
  const uint32_t low = unit & ((1U << matrix.pair_shift) - 1);
  return 2 * (unit - low) + low;
}

// Row `index` of this block's rows as a row of the matrix; the rows of a pair follow each other.
__device__ inline uint32_t row_of(const DecodeRowMatrix& matrix, const UnitRange& units,
                                  uint32_t index) {
  if (matrix.pair_stride == 0) return units.first + index;
  return first_row_of(matrix, units.first + index / 2) + index % 2 * matrix.pair_stride;
}

__device__ inline uint32_t num_rows_of(const DecodeRowMatrix& matrix, const UnitRange& units) {
  return matrix.pair_stride == 0 ? units.count : 2 * units.count;
}

// Places of the stages in the ring, one after another; a stage that would pass the end starts over.
class StagePlaces {
 public:
  explicit __device__ StagePlaces(uint32_t ring_bytes) : ring_bytes_(ring_bytes) {}

  // Moves to the next stage.
  __device__ void next(uint32_t num_bytes) {
    index_ = count_ % kMaxStages;
    parity_ = count_ / kMaxStages % 2;
    ++count_;
    if (next_offset_ + num_bytes > ring_bytes_) {
      end_ += ring_bytes_ - next_offset_;
      next_offset_ = 0;
    }
    offset_ = next_offset_;
    next_offset_ += num_bytes;
    end_ += num_bytes;
  }
  __device__ uint32_t offset() const { return offset_; }
  __device__ uint32_t index() const { return index_; }
  __device__ uint32_t parity() const { return parity_; }
  __device__ uint32_t count() const { return count_; }  // stages so far, this one included
  // Where the stage ends if the ring were a line.
  __device__ uint32_t end() const { return end_; }

 private:
  uint32_t ring_bytes_;
  uint32_t next_offset_ = 0;
  uint32_t offset_ = 0;
  uint32_t index_ = 0;
  uint32_t parity_ = 0;
  uint32_t count_ = 0;
  uint32_t end_ = 0;
};

// The producer: one warp, all of whose lanes wait, and some copy.
class WeightProducer {
 public:
  __device__ WeightProducer(char* ring, uint32_t ring_bytes, StreamBarriers& barriers)
      : ring_(ring),
        ring_bytes_(ring_bytes),
        barriers_(barriers),
        places_(ring_bytes),
        policy_(read_once_policy()),
        lane_(threadIdx.x % 32) {}

  __device__ void copy_matrix(const DecodeRowMatrix& matrix, const void* weights, uint32_t layer) {
    const UnitRange units = own_units(matrix, layer);
    const uint32_t row_bytes = matrix.row_bytes;
    const uint32_t stage_bytes = matrix.stage_rows * row_bytes;
    const uint32_t stage_units =
        matrix.pair_stride == 0 ? matrix.stage_rows : matrix.stage_rows / 2;
    const auto* base = static_cast<const char*>(weights);
    for (uint32_t first = 0; first < units.count; first += stage_units) {
      const uint32_t count = min(stage_units, units.count - first);
      const Run run = own_run(matrix, units.first + first, count);
      const char* from = base + static_cast<uint64_t>(run.row) * row_bytes;
      places_.next(stage_bytes);
      wait_for_space(stage_bytes);
      uint64_t* full = &barriers_.full[places_.index()];
      if (lane_ == 0) {
        arrive_expecting(full, (matrix.pair_stride == 0 ? count : 2 * count) * row_bytes);
      }
      if (run.num_rows > 0) {
        copy_to_shared(ring_ + places_.offset() + run.slot * row_bytes, from,
                       run.num_rows * row_bytes, full, policy_);
      }
    }
  }

 private:
  // Rows that follow each other in the matrix and in the stage, which the lane copies at once.
  struct Run {
    uint32_t row;
    uint32_t slot;
    uint32_t num_rows;
  };

  // Of a stage with units `first` to first + count - 1. Pairs come two a stage, first rows first;
  // two units whose rows do not follow each other, at the end of a head's half, are copied alone.
  __device__ Run own_run(const DecodeRowMatrix& matrix, uint32_t first, uint32_t count) const {
    if (matrix.pair_stride == 0) return {first, 0, lane_ == 0 ? count : 0};
    const uint32_t in_stage = lane_ / 2;
    const uint32_t is_second = lane_ % 2;
    const bool is_joined =
        count == 2 && first_row_of(matrix, first) + 1 == first_row_of(matrix, first + 1);
    const bool copies = in_stage < (is_joined ? 1 : count);
    return {first_row_of(matrix, first + in_stage) + is_second * matrix.pair_stride,
            2 * is_second + in_stage, copies ? (is_joined ? 2U : 1U) : 0U};
  }

  // Waits until the stages that lie where this one goes have been given back.
  __device__ void wait_for_space(uint32_t num_bytes) {
    if (lane_ == places_.index()) own_start_ = places_.end() - num_bytes;
    const uint32_t newest = places_.count() - 1;
    while (places_.end() - oldest_start_ > ring_bytes_ || newest - oldest_ == kMaxStages) {
      wait_for_phase(&barriers_.empty[oldest_ % kMaxStages], oldest_ / kMaxStages % 2);
      ++oldest_;
      oldest_start_ = __shfl_sync(0xFFFFFFFFU, own_start_, static_cast<int>(oldest_ % kMaxStages));
    }
  }

  char* ring_;
  uint32_t ring_bytes_;
  StreamBarriers& barriers_;
  StagePlaces places_;
  uint64_t policy_;
  uint32_t lane_;
  uint32_t oldest_ = 0;  // stages before it have been given back
  // Where stages start, if the ring were a line.
  uint32_t oldest_start_ = 0;
  uint32_t own_start_ = 0;  // of the one with the lane's index
};

}  // namespace fathom::kernels::cuda
