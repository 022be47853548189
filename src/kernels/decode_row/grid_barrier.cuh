// A barrier over the blocks of a grid that all run at once.
#pragma once

#include <string.h>

#include "kernels/decode_row/row_products.cuh"

namespace fathom::kernels::cuda {

inline constexpr uint32_t kBarriersEachLayer = 5;

// Writes that are known to have reached the L2 cache, where the multiprocessors meet: each is read
// back from there. A fence would do, but it also waits for the weights that are on their way, and
// keeps the next ones from being asked for: the stream would stand still at each barrier.
class SettledWrites {
 public:
  // One of up to two writes at a time, `index` 0 or 1. What is read back is looked at only by the
  // next write or wait.
  template <int index, typename T>
  __device__ void write(T* to, T value) {
    uint32_t bits = 0;
    uint32_t seen = 0;
    memcpy(&bits, &value, sizeof(value));
    if constexpr (sizeof(T) == 4) {
      asm volatile(
          "st.relaxed.gpu.global.u32 [%1], %2;\n"
          "ld.relaxed.gpu.global.u32 %0, [%1];"
          : "=r"(seen)
          : "l"(to), "r"(bits)
          : "memory");
    } else if constexpr (sizeof(T) == 2) {
      asm volatile(
          "st.relaxed.gpu.global.u16 [%1], %2;\n"
          "ld.relaxed.gpu.global.u16 %0, [%1];"
          : "=r"(seen)
          : "l"(to), "h"(static_cast<uint16_t>(bits))
          : "memory");
    } else {
      asm volatile(
          "st.relaxed.gpu.global.u8 [%1], %2;\n"
          "ld.relaxed.gpu.global.u8 %0, [%1];"
          : "=r"(seen)
          : "l"(to), "r"(bits)
          : "memory");
    }
    seen_[index] = seen;
  }
  // Waits until the lane's writes have settled: uses what was read, to no effect.
  __device__ void wait() const {
    asm volatile(
        "{\n"
        ".reg .pred never;\n"
        "setp.eq.u32 never, %0, 0x7FC5A5A5;\n"
        "setp.eq.and.u32 never, %1, 0x7FC5A5A5, never;\n"
        "@never nanosleep.u32 1;\n"
        "}" ::"r"(seen_[0]),
        "r"(seen_[1])
        : "memory");
  }

 private:
  uint32_t seen_[2] = {};
};

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
  // By thread 0, when what this block wrote before has settled.
  __device__ void arrive() {
    asm volatile("red.relaxed.gpu.global.add.u64 [%0], 1;" ::"l"(arrivals_) : "memory");
  }
  // By all consumers. What other blocks wrote must be read from the L2 cache.
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
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(arrivals_) : "memory");
    return value;
  }
  uint64_t* arrivals_;
  uint64_t launch_;
  uint64_t target_;
};

}  // namespace fathom::kernels::cuda
