// A step's two sides within a block of the grid: the producer, and the consumers with all that they
// do between the matrices.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/decode_row/grid_barrier.cuh"
#include "kernels/decode_row/row_attention.cuh"
#include "kernels/decode_row/row_finish.cuh"
#include "kernels/decode_row/row_products.cuh"
#include "kernels/decode_row/weight_stream.cuh"

namespace fathom::kernels::cuda {

inline constexpr int kStepThreads = kConsumerThreads + kWarpThreads;
// Steps of Fragments: of a hidden vector in stages of 4 rows, and of the inner one in e4m3.
inline constexpr int kHiddenSteps = 4;
inline constexpr uint32_t kHiddenParts = 2;
inline constexpr uint32_t kQuad = 4;
inline constexpr int kInnerF8Steps = 3;

struct SharedState {
  union {
    PartialSums partials;
    AttentionScratch attention;
  };
  StreamBarriers stream;
  float warp_sums[kConsumerWarps];
  float warp_maxima[kConsumerWarps];
  uint4 octets[kConsumerWarps][kWarpThreads];
};

inline constexpr size_t kRingAlignment = 128;
inline constexpr size_t kStateBytes =
    (sizeof(SharedState) + kRingAlignment - 1) / kRingAlignment * kRingAlignment;

// Fetches what the consumers will read of a layer besides its matrices into the L2 cache: a miss
// there would last for all of them. Each lane takes other blocks of the cache.
__device__ inline void prefetch_layer(const DecodeRowTask& task, const DecodeRowLayerTask& layer,
                                      const AttentionShare& share) {
  const uint32_t lane = own_lane();
  const uint32_t norm_bytes = task.hidden * 2;
  if (blockIdx.x == 0 && lane == 0) prefetch_to_l2(layer.attention_norm, norm_bytes);
  if (blockIdx.x == 1 && lane == 0) prefetch_to_l2(layer.mlp_norm, norm_bytes);
  if (!share.is_any) return;
  const uint32_t element_bytes = task.cache_type == Element::kF8E4M3 ? 1 : 2;
  const uint32_t kv_head = share.head / (task.num_heads / task.num_kv_heads);
  const uint32_t first_block = share.first / task.block_tokens;
  for (uint32_t block = first_block + lane; block * task.block_tokens < share.end;
       block += kWarpThreads) {
    const uint32_t first = max(block * task.block_tokens, share.first);
    const uint32_t end = min((block + 1) * task.block_tokens, share.end);
    const int64_t offset = cache_offset(task, kv_head, first) * element_bytes;
    const uint32_t num_bytes = (end - first) * task.head_dim * element_bytes;
    prefetch_to_l2(static_cast<const char*>(layer.keys) + offset, num_bytes);
    prefetch_to_l2(static_cast<const char*>(layer.values) + offset, num_bytes);
  }
}

__device__ inline void produce(const DecodeRowTask& task, char* ring, StreamBarriers& barriers,
                               const AttentionShare& share) {
  WeightProducer producer(ring, task.ring_bytes, barriers);
  if (blockIdx.x == 2 && own_lane() == 0) {
    prefetch_to_l2(task.final_norm, task.hidden * 2);
  }
  for (uint32_t layer = 0; layer < task.num_layers; ++layer) {
    const DecodeRowLayerTask& pointers = task.layers[layer];
    prefetch_layer(task, pointers, share);
    __syncwarp();
    for (uint32_t i = 0; i < kNumLayerMatrices; ++i) {
      producer.copy_matrix(task.matrices[i], pointers.weights[i], layer);
    }
  }
  producer.copy_matrix(task.matrices[kHeadMatrix], task.head, task.num_layers);
}

template <typename T, typename C, int kInnerSteps>
class Consumer {
 public:
  __device__ Consumer(const DecodeRowTask& task, const char* ring, SharedState& shared,
                      const AttentionShare& share)
      : task_(task),
        shared_(shared),
        share_(share),
        weights_(ring, task.ring_bytes, shared.stream, shared.partials),
        grid_(task.barrier, task.num_layers),
        finisher_(task),
        inverse_hidden_(1.0F / static_cast<float>(task.hidden)) {}

  __device__ void run() {
    embed();
    for (uint32_t layer = 0;; ++layer) {
      const bool is_head = layer == task_.num_layers;
      const DecodeRowLayerTask& pointers = task_.layers[is_head ? layer - 1 : layer];
      for (uint32_t kind = 0; kind < kNumLayerMatrices; ++kind) {
        if (kind == 3) {
          run_inner(pointers, layer);
        } else {
          run_hidden(is_head ? kHeadMatrix : kind, pointers, layer);
          if (is_head) return;
        }
        __syncwarp();
        if (threadIdx.x == 0) grid_.arrive();
        if (kind == 0) attend(pointers, layer);
      }
    }
  }

 private:
  // This block's part of the token's row of the table.
  __device__ void embed() {
    const int32_t id = task_.ids[0];
    const bool is_known = id >= 0 && static_cast<uint32_t>(id) < task_.vocab_rows;
    const T* row = static_cast<const T*>(task_.embedding) + static_cast<int64_t>(id) * task_.hidden;
    for (uint32_t i = blockIdx.x * kConsumerThreads + threadIdx.x; i < task_.hidden;
         i += gridDim.x * kConsumerThreads) {
      task_.residual[i] = is_known ? widen(row[i]) : 0.0F;
    }
    sync_consumers();
    if (threadIdx.x == 0) grid_.arrive();
  }

  __device__ void attend(const DecodeRowLayerTask& pointers, uint32_t layer) {
    const auto tag = static_cast<uint32_t>(grid_.launch() * task_.num_layers + layer + 1);
    RowAttention<T, C> attention(task_, share_, pointers, tag);
    if (share_.is_any) attention.fetch_early();
    grid_.wait();
    if (share_.is_any) attention.run(shared_.attention);
    const bool has_written = share_.is_any && share_.split == 0;
    if (has_written) sync_consumers();
    if (threadIdx.x == 0) grid_.arrive(has_written);
  }

  // The products with the normalized residual and the attended vector.
  __device__ void run_hidden(uint32_t kind, const DecodeRowLayerTask& pointers, uint32_t layer) {
    if (task_.matrices[kind].is_f8) {
      run_hidden_with<__nv_fp8_e4m3, kHiddenSteps / 2>(kind, pointers, layer);
    } else {
      run_hidden_with<T, kHiddenSteps>(kind, pointers, layer);
    }
  }

  // Each lane computes two quads of columns, so that its warp reads whole lines, and gives them to
  // the lanes that have them in their fragments.
  template <typename W, int kSteps>
  __device__ void run_hidden_with(uint32_t kind, const DecodeRowLayerTask& pointers,
                                  uint32_t layer) {
    using X = Fragments<W, kSteps, 1>;
    static_assert(kSteps * X::kColumns == kWarpThreads);  // as many octets as lanes
    constexpr uint32_t kRunQuads = 2 * X::kColumns;       // of a step of the warp
    uint32_t columns[2];
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t quad = i * kWarpThreads + own_lane();
      const uint32_t run = quad / kRunQuads * kConsumerWarps + own_warp();
      columns[i] = (run * kRunQuads + quad % kRunQuads) * kQuad;
    }
    float values[2][kQuad] = {};
    if (kind == 1) {
      load_attended(columns, values);
    } else {
      const void* norm = kind == 2 ? pointers.mlp_norm : pointers.attention_norm;
      const bool is_head = kind == kHeadMatrix;
      load_normed(static_cast<const T*>(is_head ? task_.final_norm : norm), columns, is_head,
                  values);
    }
    X x;
    share_quads(values, x);
    if constexpr (Product<T, W>::kScalesVector) scale_to_f16(x);
    multiply(kind, pointers, layer, x);
  }

  template <typename X>
  __device__ void share_quads(const float (&values)[2][kQuad], X& x) {
    T(*shared)[kQuad] = reinterpret_cast<T(*)[kQuad]>(shared_.octets[own_warp()]);
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      T rounded[kQuad];
#pragma unroll
      for (uint32_t k = 0; k < kQuad; ++k) rounded[k] = narrow<T>(values[i][k]);
      uint2 bits;
      memcpy(&bits, rounded, sizeof(bits));
      *reinterpret_cast<uint2*>(shared[i * kWarpThreads + own_lane()]) = bits;
    }
    __syncwarp();
    constexpr int kOctets = X::kColumns / kOctet;
    const auto* octets = reinterpret_cast<const Octet<T>*>(shared_.octets[own_warp()]);
    const bool has_part = X::part(0) < kHiddenParts;
    const uint32_t group = X::part(0) % kHiddenParts * kColumnLanes + own_lane() % kColumnLanes;
#pragma unroll
    for (uint32_t step = 0; step < sizeof(x.words[0]) / sizeof(x.words[0][0]); ++step) {
#pragma unroll
      for (int i = 0; i < kOctets; ++i) {
        Octet<T> octet = octets[step * X::kColumns + group * kOctets + i];
        if (!has_part) octet = {};
        x.take(0, step, i, octet);
      }
    }
  }

  // From bf16 to f16, scaled by a power of two so that f16 holds it: it has more bits than bf16,
  // and only what is 2^30 times smaller than the greatest gets lost.
  template <typename X>
  __device__ void scale_to_f16(X& x) {
    constexpr int kCount = sizeof(x.words) / sizeof(uint32_t);
    uint32_t* words = &x.words[0][0][0];
    float most = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      most = fmaxf(most, fabsf(__uint_as_float(words[i] << 16)));
      most = fmaxf(most, fabsf(__uint_as_float(words[i] & 0xFFFF0000U)));
    }
    most = warp_max(most);
    if (own_lane() == 0) shared_.warp_maxima[own_warp()] = most;
    sync_consumers();
#pragma unroll
    for (const float each : shared_.warp_maxima) most = fmaxf(most, each);
    const float power = __uint_as_float(__float_as_uint(most) & 0x7F800000U);
    const bool is_normal = power > 0x1.0p-100F && power < 0x1.0p127F;
    x.scale = is_normal ? power * 0x1.0p-14F : 1.0F;
    const float inverse = 1.0F / x.scale;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const __half2 pair = __floats2half2_rn(__uint_as_float(words[i] << 16) * inverse,
                                             __uint_as_float(words[i] & 0xFFFF0000U) * inverse);
      memcpy(&words[i], &pair, sizeof(pair));
    }
  }

  __device__ void load_attended(const uint32_t (&columns)[2], float (&values)[2][kQuad]) {
    grid_.wait();
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (columns[i] >= task_.matrices[1].in) continue;
      const uint2 bits = __ldcg(
          reinterpret_cast<const uint2*>(static_cast<const T*>(task_.attended) + columns[i]));
      T quad[kQuad];
      memcpy(quad, &bits, sizeof(bits));
#pragma unroll
      for (uint32_t k = 0; k < kQuad; ++k) values[i][k] = widen(quad[k]);
    }
  }

  // Columns of the residual, normalized but not rounded.
  __device__ void load_normed(const T* norm, const uint32_t (&columns)[2], bool is_output,
                              float (&values)[2][kQuad]) {
    T weights[2][kQuad] = {};
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (columns[i] >= task_.hidden) continue;
      const uint2 bits = __ldg(reinterpret_cast<const uint2*>(norm + columns[i]));
      memcpy(weights[i], &bits, sizeof(bits));
    }
    grid_.wait();
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (columns[i] >= task_.hidden) continue;
      const float4 quad = __ldcg(reinterpret_cast<const float4*>(task_.residual + columns[i]));
      memcpy(values[i], &quad, sizeof(quad));
    }
    float squares = 0;
#pragma unroll
    for (const auto& quad : values) {
#pragma unroll
      for (const float value : quad) squares = fmaf(value, value, squares);
    }
    squares = warp_sum(squares);
    if (own_lane() == 0) shared_.warp_sums[own_warp()] = squares;
    sync_consumers();
    squares = 0;
#pragma unroll
    for (const float each : shared_.warp_sums) squares += each;
    const float factor = rsqrtf(squares * inverse_hidden_ + task_.epsilon);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      T* hidden = static_cast<T*>(task_.hidden_state) + columns[i];
      const bool writes = is_output && blockIdx.x == 0 && columns[i] < task_.hidden;
#pragma unroll
      for (uint32_t k = 0; k < kQuad; ++k) {
        values[i][k] *= factor * widen(weights[i][k]);
        if (writes) hidden[k] = narrow<T>(values[i][k]);
      }
    }
  }

  // The products with the gated vector.
  __device__ void run_inner(const DecodeRowLayerTask& pointers, uint32_t layer) {
    grid_.wait();
    if (task_.matrices[3].is_f8) {
      run_inner_with<__nv_fp8_e4m3, kInnerF8Steps>(pointers, layer);
    } else {
      run_inner_with<T, kInnerSteps>(pointers, layer);
    }
  }

  template <typename W, int kSteps>
  __device__ void run_inner_with(const DecodeRowLayerTask& pointers, uint32_t layer) {
    using X = Fragments<W, kSteps, 2>;
    const DecodeRowMatrix& matrix = task_.matrices[3];
    const T* gated = static_cast<const T*>(task_.gated);
    const uint32_t num_parts = 8 / matrix.stage_rows;
    X x;
#pragma unroll
    for (int set = 0; set < 2; ++set) {
      const uint32_t part = X::part(set);
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        const uint32_t column = X::group(step, part, num_parts) * X::kColumns;
#pragma unroll
        for (uint32_t i = 0; i < X::kColumns / kOctet; ++i) {
          Octet<T> octet = {};
          if (part < num_parts && column < matrix.in) {
            octet = load_octet(gated + column + i * kOctet);
          }
          x.take(set, step, i, octet);
        }
      }
    }
    if constexpr (Product<T, W>::kScalesVector) scale_to_f16(x);
    multiply(3, pointers, layer, x);
  }

  template <typename W, int kSteps, int kSets>
  __device__ void multiply(uint32_t kind, const DecodeRowLayerTask& pointers, uint32_t layer,
                           const Fragments<W, kSteps, kSets>& x) {
    const DecodeRowMatrix& matrix = task_.matrices[kind];
    const UnitRange units = own_units(matrix, layer);
    const uint32_t num_rows = num_rows_of(matrix, units);
    const float* scales = kind == kHeadMatrix ? task_.head_scales : pointers.scales[kind];
    const auto high_row = [&](uint32_t index) {  // without a partner, the row itself
      return row_of(matrix, units, index + 1 < num_rows ? index + 1 : index);
    };
    const auto prepare = [&](uint32_t index) {
      return finisher_.prepare(kind, pointers, scales, row_of(matrix, units, index),
                               high_row(index));
    };
    const auto finish = [&](const Prepared<T>& prepared, uint32_t index, float low, float high) {
      finisher_.finish(kind, prepared, pointers, row_of(matrix, units, index), high_row(index),
                       index + 1 < num_rows, low, high);
    };
    weights_.template multiply<typename Product<T, W>::Factor>(matrix, num_rows, x, prepare,
                                                               finish);
  }

  const DecodeRowTask& task_;
  SharedState& shared_;
  const AttentionShare& share_;
  WeightConsumer weights_;
  GridBarrier grid_;
  RowFinisher<T, C> finisher_;
  float inverse_hidden_;
};

}  // namespace fathom::kernels::cuda
