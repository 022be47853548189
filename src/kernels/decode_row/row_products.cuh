// Products of the rows in shared memory with a vector that lies in the warps' registers.
//
// A row's columns are split over all consumer warps, so that the vector stays in registers for the
// whole matrix and a stage's sums are there shortly after its last byte. The tensor cores multiply:
// unpacking and multiplying a weight at a time would take longer than reading it from shared memory.
//
// One m16n8k16 product takes 8 columns of B: rows r = 0 ... R-1 of the stage times 8 / R parts of
// the warp's columns, n = r + R * part. Row m of A holds part m of the vector (of 16 rows, those
// beyond are zero), so the entries (m, n) of part m = n / R are sums of a row's products; they are
// added up over the parts. Which columns of the matrix a k of the product stands for is free: a lane
// takes 16 bytes that follow each other.
#pragma once

#include <string.h>

#include <type_traits>

#include "kernels/cuda/element.cuh"
#include "kernels/decode_row/weight_stream.cuh"

namespace fathom::kernels::cuda {

inline constexpr uint32_t kConsumerWarps = 16;
inline constexpr uint32_t kConsumerThreads = kConsumerWarps * kWarpThreads;
inline constexpr uint32_t kOctet = 8;       // elements of an activation vector handled at once
inline constexpr uint32_t kBlockRows = 64;  // two for each lane of the finishing warp
inline constexpr uint32_t kColumnLanes = 4;  // lanes of a warp that share a row and a part

// [buffer][warp][row]: while one block of rows is finished, the next one is computed.
struct PartialSums {
  float values[2][kConsumerWarps][kBlockRows];
};

__device__ inline void sync_consumers() {
  asm volatile("bar.sync 1, %0;" ::"n"(kConsumerThreads) : "memory");
}

__device__ inline uint32_t own_warp() { return threadIdx.x / kWarpThreads; }
__device__ inline uint32_t own_lane() { return threadIdx.x % kWarpThreads; }

// Eight elements as they lie in memory.
template <typename T>
struct alignas(kOctet * sizeof(T)) Octet {
  uint32_t words[kOctet * sizeof(T) / 4];
};

__device__ inline void widen_octet(const Octet<__nv_bfloat16>& octet, float (&values)[kOctet]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[2 * i] = __uint_as_float(octet.words[i] << 16);
    values[2 * i + 1] = __uint_as_float(octet.words[i] & 0xFFFF0000U);
  }
}

__device__ inline void widen_octet(const Octet<__half>& octet, float (&values)[kOctet]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&octet.words[i]));
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

// Two e4m3 numbers, exactly.
__device__ inline __half2 halves_of(uint32_t bits) {
  return __half2(
      __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(bits), __NV_E4M3));
}

__device__ inline void widen_octet(const Octet<__nv_fp8_e4m3>& octet, float (&values)[kOctet]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __half22float2(halves_of(octet.words[i / 2] >> (i % 2 * 16)));
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

template <typename T>
__device__ Octet<T> narrow_octet(const float (&values)[kOctet]) {
  Octet<T> octet;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const T pair[2] = {narrow<T>(values[2 * i]), narrow<T>(values[2 * i + 1])};
    memcpy(&octet.words[i], pair, sizeof(pair));
  }
  return octet;
}

// From what another multiprocessor has written in this launch: past the first-level cache.
template <typename T>
__device__ Octet<T> load_octet(const T* from) {
  Octet<T> octet;
  if constexpr (sizeof(octet) == 16) {
    const uint4 bits = __ldcg(reinterpret_cast<const uint4*>(from));
    octet = {bits.x, bits.y, bits.z, bits.w};
  } else {
    const uint2 bits = __ldcg(reinterpret_cast<const uint2*>(from));
    octet = {bits.x, bits.y};
  }
  return octet;
}

__device__ inline void load_floats(const float* from, float (&values)[kOctet]) {
  const float4 low = __ldcg(reinterpret_cast<const float4*>(from));
  const float4 high = __ldcg(reinterpret_cast<const float4*>(from) + 1);
  memcpy(values, &low, sizeof(low));
  memcpy(values + 4, &high, sizeof(high));
}

// How weights of type W meet activations of type T: e4m3 as f16, whose range every vector is
// scaled into.
template <typename T, typename W>
struct Product {
  using Factor = T;  // what the tensor cores multiply
  static constexpr bool kScalesVector = false;
};
template <typename T>
struct Product<T, __nv_fp8_e4m3> {
  using Factor = __half;
  static constexpr bool kScalesVector = sizeof(T) == 2 && !std::is_same_v<T, __half>;
};

// The lane's part of a vector: kSteps times the columns of 16 bytes of weights.
template <typename W, int kSteps>
struct Fragments {
  static constexpr uint32_t kColumns = 16 / sizeof(W);  // of a lane in a step
  static constexpr int kWords = kColumns / 2;
  uint32_t words[kSteps][kWords];
  float scale = 1;  // of the sums

  // Which of the matrix's groups of kColumns columns the lane takes for `part`.
  __device__ static uint32_t group(int step, uint32_t part, uint32_t num_parts) {
    return ((step * kConsumerWarps + own_warp()) * num_parts + part) * kColumnLanes +
           own_lane() % kColumnLanes;
  }
};

template <typename F>
__device__ void multiply_add(float (&sums)[4], uint32_t x0, uint32_t x1, uint32_t w0, uint32_t w1) {
  if constexpr (std::is_same_v<F, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(x0), "r"(0), "r"(x1), "r"(0), "r"(w0), "r"(w1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(x0), "r"(0), "r"(x1), "r"(0), "r"(w0), "r"(w1));
  }
}

// The consumers' side of the stream.
class WeightConsumer {
 public:
  __device__ WeightConsumer(const char* ring, uint32_t ring_bytes, StreamBarriers& barriers,
                            PartialSums& partials)
      : ring_(ring), barriers_(barriers), partials_(partials), places_(ring_bytes) {}

  // Multiplies this block's rows of a matrix with x. Warp 0 calls prepare(row) before and
  // finish(prepared, row, low, high) after the products of the rows `row` and `row + 1` of this
  // block's rows: each lane for rows of its own, in blocks.
  template <typename F, typename W, int kSteps, typename Prepare, typename Finish>
  __device__ void multiply(const DecodeRowMatrix& matrix, uint32_t num_rows,
                           const Fragments<W, kSteps>& x, Prepare&& prepare, Finish&& finish) {
    uint32_t offsets[kSteps];
    place_columns<W>(matrix, offsets);
    const uint32_t own_row = 2 * threadIdx.x;  // of warp 0, within a block
    for (uint32_t first = 0; first < num_rows; first += kBlockRows) {
      const uint32_t end = min(first + kBlockRows, num_rows);
      const bool finishes = threadIdx.x < kWarpThreads && first + own_row < end;
      decltype(prepare(0U)) prepared;
      if (finishes) prepared = prepare(first + own_row);
      for (uint32_t row = first; row < end; row += matrix.stage_rows) {
        multiply_stage<F>(matrix, row - first, offsets, x);
      }
      sync_consumers();
      if (finishes) {
        float low = 0;
        float high = 0;
#pragma unroll
        for (uint32_t warp = 0; warp < kConsumerWarps; ++warp) {
          const float2 part =
              *reinterpret_cast<const float2*>(&partials_.values[buffer_][warp][own_row]);
          low += part.x;
          high += part.y;
        }
        finish(prepared, first + own_row, low * x.scale, high * x.scale);
      }
      buffer_ ^= 1;
    }
  }

 private:
  // Where the lane's columns lie in a stage; beyond the row's end, where x is zero, at its start.
  template <typename W, int kSteps>
  __device__ static void place_columns(const DecodeRowMatrix& matrix, uint32_t (&offsets)[kSteps]) {
    using X = Fragments<W, kSteps>;
    const uint32_t n = own_lane() / kColumnLanes;
    const uint32_t row = n % matrix.stage_rows;
    const uint32_t num_parts = 8 / matrix.stage_rows;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const uint32_t group = X::group(step, n / matrix.stage_rows, num_parts);
      offsets[step] = row * matrix.row_pitch + (group * X::kColumns < matrix.in ? group * 16 : 0);
    }
  }

  // Leaves the sums of a stage's rows, from row `first` of the block on.
  template <typename F, typename W, int kSteps>
  __device__ void multiply_stage(const DecodeRowMatrix& matrix, uint32_t first,
                                 const uint32_t (&offsets)[kSteps],
                                 const Fragments<W, kSteps>& x) {
    places_.next(matrix.stage_rows * matrix.row_pitch);
    const char* stage = ring_ + places_.offset();
    wait_for_phase(&barriers_.full[places_.index()], places_.parity());
    uint4 weights[kSteps];
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      weights[i] = *reinterpret_cast<const uint4*>(stage + offsets[i]);
    }
    // Two chains of products, for their latency.
    float sums[2][4] = {};
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      const uint32_t w[4] = {weights[i].x, weights[i].y, weights[i].z, weights[i].w};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if constexpr (sizeof(W) == 1) {
          const __half2 low = halves_of(w[k]);
          const __half2 high = halves_of(w[k] >> 16);
          multiply_add<F>(sums[k % 2], x.words[i][2 * k], x.words[i][2 * k + 1],
                          *reinterpret_cast<const uint32_t*>(&low),
                          *reinterpret_cast<const uint32_t*>(&high));
        } else if (k % 2 == 0) {
          multiply_add<F>(sums[k / 2], x.words[i][k], x.words[i][k + 1], w[k], w[k + 1]);
        }
      }
    }
    __syncwarp();
    if (own_lane() == 0) arrive(&barriers_.empty[places_.index()]);
    leave_sums(matrix.stage_rows, sums[0][0] + sums[1][0], sums[0][1] + sums[1][1],
               &partials_.values[buffer_][own_warp()][first]);
  }

  // From the entries (lane / 4, lane % 4 * 2 + 0 and 1) of the product: see above.
  __device__ static void leave_sums(uint32_t stage_rows, float even, float odd, float* partials) {
    const auto add_lane = [](float& value, int distance) {
      value += __shfl_down_sync(0xFFFFFFFFU, value, distance);
    };
    const uint32_t lane = own_lane();
    if (stage_rows == 4) {
      add_lane(even, 6);
      add_lane(odd, 6);
      if (lane < 2) *reinterpret_cast<float2*>(partials + 2 * lane) = {even, odd};
    } else if (stage_rows == 2) {
      add_lane(even, 10);
      add_lane(odd, 10);
      add_lane(even, 5);
      add_lane(odd, 5);
      if (lane == 0) *reinterpret_cast<float2*>(partials) = {even, odd};
    } else {
      float sum = lane / kColumnLanes % 2 == 0 ? even : odd;
      add_lane(sum, 4);
      add_lane(sum, 18);
      add_lane(sum, 9);
      if (lane == 0) *partials = sum;
    }
  }

  const char* ring_;
  StreamBarriers& barriers_;
  PartialSums& partials_;
  StagePlaces places_;
  uint32_t buffer_ = 0;
};

}  // namespace fathom::kernels::cuda
