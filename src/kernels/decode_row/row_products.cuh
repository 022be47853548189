// Products of the rows in shared memory with a vector that lies in the warps' registers.
//
// A row's columns are split over all consumer warps, so that the vector stays in registers for the
// whole matrix and a stage's sums are there shortly after its last byte. The tensor cores multiply:
// unpacking and multiplying a weight at a time would take longer than reading it from shared
// memory.
//
// The warp's columns of a stage's R rows are cut into 8 / R parts; lanes 4 g + t of one g read part
// g / R (or its neighbour, see place_columns) of row g % R, 16 bytes each: as they lie there, they
// are the four registers of A in an m16n8k16 product, so that row g of A holds the first and third
// word of each lane and row g + 8 the second and fourth. B has these words of the vector: column
// 2 p the first and third of part p, column 2 p + 1 the others. Of the 16 x 8 sums only those where
// both come from the same columns count.
#pragma once

#include <string.h>

#include <type_traits>

#include "kernels/cuda/element.cuh"
#include "kernels/decode_row/weight_stream.cuh"

namespace fathom::kernels::cuda {

inline constexpr uint32_t kConsumerWarps = 16;
inline constexpr uint32_t kConsumerThreads = kConsumerWarps * kWarpThreads;
inline constexpr uint32_t kOctet = 8;        // elements of an activation vector handled at once
inline constexpr uint32_t kBlockRows = 64;   // two for each lane of the finishing warp
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
  return __half2(__nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(bits), __NV_E4M3));
}

__device__ inline void widen_octet(const Octet<__nv_fp8_e4m3>& octet, float (&values)[kOctet]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __half22float2(halves_of(octet.words[i / 2] >> (i % 2 * 16)));
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
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
  static constexpr bool kScalesVector = !std::is_same_v<T, __half>;
};

// The lane's part of a vector: kSteps times its words of the columns that a lane's 16 bytes of
// weights hold, for kSets sets of 4 parts: one row in a stage has 8 parts.
template <typename W, int kSteps, int kSets>
struct Fragments {
  static constexpr uint32_t kColumns = 16 / sizeof(W);
  static constexpr int kWords = kColumns / 4;
  uint32_t words[kSets][kSteps][kWords];
  float scale = 1;  // of the sums

  // Which group of kColumns columns of the matrix part `part` of the warp has for the lane.
  __device__ static uint32_t group(int step, uint32_t part, uint32_t num_parts) {
    return ((step * kConsumerWarps + own_warp()) * num_parts + part) * kColumnLanes +
           own_lane() % kColumnLanes;
  }
  // Which part the lane has words of, in the set.
  __device__ static uint32_t part(int set) { return set * 4 + own_lane() / (2 * kColumnLanes); }
  // Takes the lane's words of an octet of the group that starts at word `first` of 4.
  template <typename T>
  __device__ void take(int set, int step, int octet_index, const Octet<T>& octet) {
    const bool is_odd = own_lane() / kColumnLanes % 2 != 0;
    words[set][step][2 * octet_index] = is_odd ? octet.words[1] : octet.words[0];
    words[set][step][2 * octet_index + 1] = is_odd ? octet.words[3] : octet.words[2];
  }
};

template <typename F>
__device__ void multiply_add(float (&sums)[4], uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3,
                             uint32_t x0, uint32_t x1) {
  if constexpr (std::is_same_v<F, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(w0), "r"(w1), "r"(w2), "r"(w3), "r"(x0), "r"(x1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(w0), "r"(w1), "r"(w2), "r"(w3), "r"(x0), "r"(x1));
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
  template <typename F, typename X, typename Prepare, typename Finish>
  __device__ void multiply(const DecodeRowMatrix& matrix, uint32_t num_rows, const X& x,
                           Prepare&& prepare, Finish&& finish) {
    constexpr int kSteps = sizeof(x.words[0]) / sizeof(x.words[0][0]);
    uint32_t offsets[kSteps];
    place_columns<X>(matrix, offsets);
    const uint32_t own_row = 2 * threadIdx.x;  // of warp 0, within a block
    const uint32_t stage_rows = matrix.stage_rows;
    const uint32_t stage_bytes = stage_rows * matrix.row_bytes;
    // Slots 0 and 2, 1 and 3 of a stage of pairs are a pair each.
    const uint32_t slot = own_lane() / kColumnLanes % 4;
    four_sums_place_ = matrix.pair_stride == 0 ? slot : slot % 2 * 2 + slot / 2;
    for (uint32_t first = 0; first < num_rows; first += kBlockRows) {
      const uint32_t end = min(first + kBlockRows, num_rows);
      const bool finishes = threadIdx.x < kWarpThreads && first + own_row < end;
      decltype(prepare(0U)) prepared;
      if (finishes) prepared = prepare(first + own_row);
      float* partials = partials_.values[buffer_][own_warp()];
      for (uint32_t row = first; row < end; row += stage_rows) {
        multiply_stage<F>(stage_rows, stage_bytes, offsets, x, partials);
        partials += stage_rows;
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
  // Odd rows take the parts of a pair the other way round, so that the 8 lanes that are served at
  // once read different banks.
  template <typename X, int kSteps>
  __device__ static void place_columns(const DecodeRowMatrix& matrix, uint32_t (&offsets)[kSteps]) {
    const uint32_t g = own_lane() / kColumnLanes;
    const uint32_t row = g % matrix.stage_rows;
    const uint32_t num_parts = 8 / matrix.stage_rows;
    const uint32_t part = (g / matrix.stage_rows) ^ (row % 2);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const uint32_t group = X::group(step, part, num_parts);
      offsets[step] = row * matrix.row_bytes + (group * X::kColumns < matrix.in ? group * 16 : 0);
    }
  }

  // Leaves the sums of a stage's rows.
  template <typename F, typename W, int kSteps, int kSets>
  __device__ void multiply_stage(uint32_t stage_rows, uint32_t stage_bytes,
                                 const uint32_t (&offsets)[kSteps],
                                 const Fragments<W, kSteps, kSets>& x, float* partials) {
    places_.next(stage_bytes);
    const char* stage = ring_ + places_.offset();
    wait_for_phase(&barriers_.full[places_.index()], places_.parity());
    uint4 weights[kSteps];
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      weights[i] = *reinterpret_cast<const uint4*>(stage + offsets[i]);
    }
    float sums[kSets][4] = {};
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      const uint32_t w[4] = {weights[i].x, weights[i].y, weights[i].z, weights[i].w};
#pragma unroll
      for (int set = 0; set < kSets; ++set) {
        const auto& xw = x.words[set][i];
        if constexpr (sizeof(W) == 2) {
          multiply_add<F>(sums[set], w[0], w[1], w[2], w[3], xw[0], xw[1]);
        } else {
          uint32_t h[8];
#pragma unroll
          for (int k = 0; k < 8; ++k) {
            const __half2 pair = halves_of(w[k / 2] >> (k % 2 * 16));
            memcpy(&h[k], &pair, sizeof(pair));
          }
          multiply_add<F>(sums[set], h[0], h[1], h[2], h[3], xw[0], xw[1]);
          multiply_add<F>(sums[set], h[4], h[5], h[6], h[7], xw[2], xw[3]);
        }
      }
    }
    __syncwarp();
    if (own_lane() == 0) arrive(&barriers_.empty[places_.index()]);
    if constexpr (kSets == 1) {
      leave_four_sums(sums[0][0] + sums[0][3], partials + four_sums_place_);
    } else {
      const int set = own_lane() / 16;  // of one row's parts
      leave_sums(stage_rows,
                 stage_rows == 1 && set == 1 ? sums[1][0] + sums[1][3] : sums[0][0] + sums[0][3],
                 partials);
    }
  }

  // Of stages of 4 rows: row r has its sums in the lanes 4 r + r % 2 and, for the other part, 16
  // lanes further with t the other one of 0 and 1.
  __device__ static void leave_four_sums(float sum, float* place) {
    const uint32_t lane = own_lane();
    sum += __shfl_sync(0xFFFFFFFFU, sum, static_cast<int>((lane ^ 1) + 16));
    if (lane < 16 && lane % 4 == lane / 4 % 2) *place = sum;
  }

  // Of stages of 1, 2 or 4 rows: part p of a row has its sum where t = p % 4.
  __device__ static void leave_sums(uint32_t stage_rows, float sum, float* partials) {
    const uint32_t lane = own_lane();
    const uint32_t g = lane / kColumnLanes;
    const uint32_t part = (g / stage_rows) ^ (g % stage_rows % 2);
    if (part % 4 != lane % kColumnLanes) sum = 0;
    for (uint32_t distance = 16; distance >= kColumnLanes * stage_rows; distance /= 2) {
      sum += __shfl_xor_sync(0xFFFFFFFFU, sum, static_cast<int>(distance));
    }
    sum += __shfl_xor_sync(0xFFFFFFFFU, sum, 2);
    sum += __shfl_xor_sync(0xFFFFFFFFU, sum, 1);
    if (lane % kColumnLanes == 0 && g < stage_rows) partials[g] = sum;
  }

  const char* ring_;
  StreamBarriers& barriers_;
  PartialSums& partials_;
  StagePlaces places_;
  uint32_t buffer_ = 0;
  uint32_t four_sums_place_ = 0;  // of the lane's row in a stage of four
};

}  // namespace fathom::kernels::cuda
