// A barrier over the blocks of a grid that all run at once.
#pragma once

#include "kernels/decode_row/row_products.cuh"

namespace fathom::kernels::cuda {

inline constexpr uint32_t kBarriersEachLayer = 5;

// All blocks of the grid wait for each other. The count of arrivals goes on from launch to launch;
// a launch adds the same number of them each time, so its first one is found by rounding down.
class GridBarrier {
 public:
  __device__ GridBarrier(uint64_t* arrivals, uint32_t num_layers) : arrivals_(arrivals) {
    const uint64_t of_launch =
        static_cast<uint64_t>(gridDim.x) * (1 + kBarriersEachLayer * num_layers);
    launch_ = load() / of_launch;
    target_ = launch_ * of_launch;
  }
  // How many launches came before, of all that share the count.
  __device__ uint64_t launch() const { return launch_; }
  // By thread 0, when what this block wrote before is visible to it; if it wrote nothing that is
  // read behind the barrier, that need not be waited for.
  __device__ void arrive(bool has_written = true) {
    if (has_written) asm volatile("fence.acq_rel.gpu;" ::: "memory");
    asm volatile("red.relaxed.gpu.global.add.u64 [%0], 1;" ::"l"(arrivals_) : "memory");
  }
  // By all consumers.
  __device__ void wait() {
    if (threadIdx.x == 0) {
      target_ += gridDim.x;
      for (uint32_t polls = 0; load() < target_; ++polls) {
        if (polls > kMaxPolls) __trap();
      }
    }
    sync_consumers();
  }

 private:
  __device__ uint64_t load() const {
    uint64_t value = 0;
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(arrivals_) : "memory");
    return value;
  }
  uint64_t* arrivals_;
  uint64_t launch_;
  uint64_t target_;
};

}  // namespace fathom::kernels::cuda
