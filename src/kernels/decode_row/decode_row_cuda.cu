// decode_row: one block on each multiprocessor runs the whole step.
//
// A part of a layer (QKV, attention, output, gate/up, down) starts when all blocks have finished
// the one before: a barrier over the grid. The producer's stream of weights goes on meanwhile, and
// the consumers catch up from shared memory, which they read several times faster than the stream
// fills it.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/decode_row/row_attention.cuh"
#include "kernels/decode_row/row_products.cuh"
#include "kernels/decode_row/weight_stream.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = kConsumerThreads + kWarpThreads;
constexpr uint32_t kBarriersEachLayer = 5;
// Steps of Fragments: of a hidden vector in stages of 4 rows, and of the inner one in e4m3.
constexpr int kHiddenSteps = 4;
constexpr uint32_t kHiddenParts = 2;
constexpr int kInnerF8Steps = 3;

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

constexpr size_t kRingAlignment = 128;
constexpr size_t kStateBytes = (sizeof(SharedState) + kRingAlignment - 1) / kRingAlignment *
                               kRingAlignment;

// All blocks of the grid wait for each other. The count of arrivals goes on from launch to launch;
// a launch adds the same number of them each time, so its first one is found by rounding down.
class GridBarrier {
 public:
  __device__ GridBarrier(uint64_t* arrivals, uint32_t num_layers) : arrivals_(arrivals) {
    const uint64_t of_launch =
        static_cast<uint64_t>(gridDim.x) * (1 + kBarriersEachLayer * num_layers);
    if (threadIdx.x == 0) target_ = load() / of_launch * of_launch;
  }
  // By thread 0, when what this block wrote before is visible to it.
  __device__ void arrive() {
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
    asm volatile("red.relaxed.gpu.global.add.u64 [%0], 1;" ::"l"(arrivals_) : "memory");
  }
  // By all consumers.
  __device__ void wait() {
    if (threadIdx.x == 0) {
      target_ += gridDim.x;
      for (uint32_t polls = 0; load() < target_; ++polls) {
        if (polls > kMaxPolls) __trap();
      }
      asm volatile("fence.acq_rel.gpu;" ::: "memory");
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
  uint64_t target_ = 0;
};

// Fetches what the consumers will read of a layer besides its matrices into the L2 cache: a miss
// there would last for all of them.
__device__ void prefetch_layer(const DecodeRowTask& task, const DecodeRowLayerTask& layer,
                               const AttentionShare& share) {
  const uint32_t norm_bytes = task.hidden * 2;
  if (blockIdx.x == 0) prefetch_to_l2(layer.attention_norm, norm_bytes);
  if (blockIdx.x == 1) prefetch_to_l2(layer.mlp_norm, norm_bytes);
  if (!share.is_any) return;
  const uint32_t element_bytes = task.cache_type == Element::kF8E4M3 ? 1 : 2;
  const uint32_t kv_head = share.head / (task.num_heads / task.num_kv_heads);
  for (uint32_t at = share.first; at < share.end;) {
    const uint32_t next = min((at / task.block_tokens + 1) * task.block_tokens, share.end);
    const int64_t offset = cache_offset(task, kv_head, at) * element_bytes;
    const uint32_t num_bytes = (next - at) * task.head_dim * element_bytes;
    prefetch_to_l2(static_cast<const char*>(layer.keys) + offset, num_bytes);
    prefetch_to_l2(static_cast<const char*>(layer.values) + offset, num_bytes);
    at = next;
  }
}

__device__ void produce(const DecodeRowTask& task, char* ring, StreamBarriers& barriers,
                        const AttentionShare& share) {
  WeightProducer producer(ring, task.ring_bytes, barriers);
  if (blockIdx.x == 2 && threadIdx.x % kWarpThreads == 0) {
    prefetch_to_l2(task.final_norm, task.hidden * 2);
  }
  for (uint32_t layer = 0; layer < task.num_layers; ++layer) {
    const DecodeRowLayerTask& pointers = task.layers[layer];
    if (threadIdx.x % kWarpThreads == 0) prefetch_layer(task, pointers, share);
    for (uint32_t i = 0; i < kNumLayerMatrices; ++i) {
      producer.copy_matrix(task.matrices[i], pointers.weights[i], layer);
    }
  }
  producer.copy_matrix(task.matrices[kHeadMatrix], task.head, task.num_layers);
}

// What a lane of the finishing warp needs besides its two rows' sums, fetched while the weights
// are still on their way.
// Nothing is computed with it before the sums are there: that would wait for it.
template <typename T>
struct Prepared {
  float low_scale = 1;
  float high_scale = 1;
  float low_residual = 0;
  float high_residual = 0;
  T low_bias{};
  T high_bias{};
  float cosine = 0;
  float sine = 0;
};

template <typename T, typename C>
class RowFinisher {
 public:
  __device__ explicit RowFinisher(const DecodeRowTask& task)
      : task_(task), position_(task.positions[0]), slot_(task.slots[0]) {}

  __device__ Prepared<T> prepare(uint32_t kind, const DecodeRowLayerTask& layer, const float* scales,
                              uint32_t low_row, uint32_t high_row) const {
    Prepared<T> p;
    if (scales != nullptr) {
      p.low_scale = __ldg(scales + low_row);
      p.high_scale = __ldg(scales + high_row);
    }
    if (kind == 0) {
      const auto* bias = static_cast<const T*>(layer.qkv_bias);
      if (bias != nullptr) {
        p.low_bias = bias[low_row];
        p.high_bias = bias[high_row];
      }
      const uint32_t half = task_.head_dim / 2;
      const float* turn = task_.cos_sin + static_cast<int64_t>(position_) * task_.head_dim;
      p.cosine = __ldg(turn + low_row % half);
      p.sine = __ldg(turn + half + low_row % half);
    } else if (kind == 1 || kind == 3) {
      p.low_residual = __ldcg(task_.residual + low_row);
      p.high_residual = __ldcg(task_.residual + high_row);
    }
    return p;
  }

  // Two rows of queries, keys or values: i and i + head_dim / 2 of a head.
  __device__ void finish_qkv(const Prepared<T>& p, const DecodeRowLayerTask& layer, uint32_t row,
                             float low, float high) const {
    const uint32_t head = row / task_.head_dim;
    const uint32_t half = task_.head_dim / 2;
    const float turned_low = low * p.cosine - high * p.sine;
    const float turned_high = high * p.cosine + low * p.sine;
    if (head < task_.num_heads) {
      T* q = static_cast<T*>(task_.q) + row;
      q[0] = narrow<T>(turned_low);
      q[half] = narrow<T>(turned_high);
      return;
    }
    if (slot_ < 0) return;
    const bool is_key = head < task_.num_heads + task_.num_kv_heads;
    const uint32_t kv_head = head - task_.num_heads - (is_key ? 0 : task_.num_kv_heads);
    const auto slot = static_cast<uint32_t>(slot_);
    const int64_t vector =
        (static_cast<int64_t>(slot / task_.block_tokens) * task_.num_kv_heads + kv_head) *
            task_.block_tokens +
        slot % task_.block_tokens;
    C* to = static_cast<C*>(is_key ? layer.keys : layer.values) + vector * task_.head_dim +
            row % task_.head_dim;
    to[0] = narrow<C>(is_key ? turned_low : low);
    to[half] = narrow<C>(is_key ? turned_high : high);
  }

  __device__ void finish(uint32_t kind, const Prepared<T>& p, const DecodeRowLayerTask& layer,
                         uint32_t low_row, uint32_t high_row, bool has_high, float low,
                         float high) const {
    low *= p.low_scale;
    high *= p.high_scale;
    if (kind == 0) {
      return finish_qkv(p, layer, low_row, low + widen(p.low_bias), high + widen(p.high_bias));
    }
    if (kind == 2) {
      static_cast<T*>(task_.gated)[low_row] = narrow<T>(__fdividef(low, 1.0F + __expf(-low)) * high);
      return;
    }
    float* to = kind == kHeadMatrix ? task_.logits : task_.residual;
    to[low_row] = low + p.low_residual;
    if (has_high) to[high_row] = high + p.high_residual;
  }

 private:
  const DecodeRowTask& task_;
  int32_t position_;
  int32_t slot_;
};

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
        if (kind == 0) attend(pointers);
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

  __device__ void attend(const DecodeRowLayerTask& pointers) {
    RowAttention<T, C> attention(task_, share_, pointers);
    if (share_.is_any) attention.fetch_early();
    grid_.wait();
    if (share_.is_any) attention.run(shared_.attention);
    sync_consumers();
    if (threadIdx.x == 0) grid_.arrive();
  }

  // The products with the normalized residual and the attended vector.
  __device__ void run_hidden(uint32_t kind, const DecodeRowLayerTask& pointers, uint32_t layer) {
    if (task_.matrices[kind].is_f8) {
      run_hidden_with<__nv_fp8_e4m3, kHiddenSteps / 2>(kind, pointers, layer);
    } else {
      run_hidden_with<T, kHiddenSteps>(kind, pointers, layer);
    }
  }

  template <typename W, int kSteps>
  __device__ void run_hidden_with(uint32_t kind, const DecodeRowLayerTask& pointers,
                                  uint32_t layer) {
    using X = Fragments<W, kSteps>;
    static_assert(kSteps * X::kColumns == kWarpThreads);  // an octet for each lane
    const uint32_t octet =
        (own_lane() / X::kColumns * kConsumerWarps + own_warp()) * X::kColumns +
        own_lane() % X::kColumns;
    const uint32_t column = octet * kOctet;
    float values[kOctet] = {};
    if (kind == 1) {
      grid_.wait();
      if (column < task_.matrices[1].in) merge_splits(task_, column, values);
    } else {
      const void* norm = kind == 2 ? pointers.mlp_norm : pointers.attention_norm;
      const bool is_head = kind == kHeadMatrix;
      load_normed(static_cast<const T*>(is_head ? task_.final_norm : norm), column, is_head,
                  values);
    }
    X x;
    share_octet(narrow_octet<T>(values), x);
    if constexpr (Product<T, W>::kScalesVector) scale_to_f16(x);
    multiply(kind, pointers, layer, x);
  }

  // Each lane has an octet of the warp's columns: gives each those of its fragments.
  template <typename X>
  __device__ void share_octet(const Octet<T>& octet, X& x) {
    auto* octets = reinterpret_cast<Octet<T>*>(shared_.octets[own_warp()]);
    octets[own_lane()] = octet;
    __syncwarp();
    constexpr int kOctets = X::kColumns / kOctet;
    const bool has_part = own_lane() / kColumnLanes < kHiddenParts;
    const uint32_t first = own_lane() % (kHiddenParts * kColumnLanes) * kOctets;
#pragma unroll
    for (uint32_t step = 0; step < sizeof(x.words) / sizeof(x.words[0]); ++step) {
#pragma unroll
      for (int i = 0; i < kOctets; ++i) {
        const Octet<T> part = octets[step * X::kColumns + first + i];
#pragma unroll
        for (int k = 0; k < 4; ++k) x.words[step][4 * i + k] = has_part ? part.words[k] : 0;
      }
    }
  }

  // From bf16 to f16, scaled by a power of two so that f16 holds it: it has more bits than bf16, and
  // only what is 2^30 times smaller than the greatest gets lost.
  template <typename X>
  __device__ void scale_to_f16(X& x) {
    float most = 0;
#pragma unroll
    for (const auto& words : x.words) {
#pragma unroll
      for (const uint32_t word : words) {
        most = fmaxf(most, fabsf(__uint_as_float(word << 16)));
        most = fmaxf(most, fabsf(__uint_as_float(word & 0xFFFF0000U)));
      }
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
    for (auto& words : x.words) {
#pragma unroll
      for (uint32_t& word : words) {
        const __half2 pair = __floats2half2_rn(__uint_as_float(word << 16) * inverse,
                                               __uint_as_float(word & 0xFFFF0000U) * inverse);
        memcpy(&word, &pair, sizeof(word));
      }
    }
  }

  // Columns of the residual, normalized but not rounded.
  __device__ void load_normed(const T* norm, uint32_t column, bool is_output,
                              float (&values)[kOctet]) {
    const bool is_inside = column < task_.hidden;
    Octet<T> norm_octet = {};
    if (is_inside) norm_octet = load_octet(norm + column);
    grid_.wait();
    if (is_inside) load_floats(task_.residual + column, values);
    float squares = 0;
#pragma unroll
    for (const float value : values) squares = fmaf(value, value, squares);
    squares = warp_sum(squares);
    if (own_lane() == 0) shared_.warp_sums[own_warp()] = squares;
    sync_consumers();
    squares = 0;
#pragma unroll
    for (const float each : shared_.warp_sums) squares += each;
    const float factor = rsqrtf(squares * inverse_hidden_ + task_.epsilon);
    float weights[kOctet];
    widen_octet(norm_octet, weights);
#pragma unroll
    for (uint32_t i = 0; i < kOctet; ++i) values[i] *= factor * weights[i];
    if (is_output && is_inside && blockIdx.x == 0) {
      T* hidden = static_cast<T*>(task_.hidden_state) + column;
#pragma unroll
      for (uint32_t i = 0; i < kOctet; ++i) hidden[i] = narrow<T>(values[i]);
    }
  }

  // The products with the gated vector.
  __device__ void run_inner(const DecodeRowLayerTask& pointers, uint32_t layer) {
    const DecodeRowMatrix& matrix = task_.matrices[3];
    const T* gated = static_cast<const T*>(task_.gated);
    const uint32_t num_parts = 8 / matrix.stage_rows;
    const uint32_t part = own_lane() / kColumnLanes;
    grid_.wait();
    if (!matrix.is_f8) {
      using X = Fragments<T, kInnerSteps>;
      X x;
#pragma unroll
      for (int step = 0; step < kInnerSteps; ++step) {
        const uint32_t column = X::group(step, part, num_parts) * X::kColumns;
        Octet<T> octet = {};
        if (part < num_parts && column < matrix.in) octet = load_octet(gated + column);
#pragma unroll
        for (int k = 0; k < 4; ++k) x.words[step][k] = octet.words[k];
      }
      return multiply(3, pointers, layer, x);
    }
    using X = Fragments<__nv_fp8_e4m3, kInnerF8Steps>;
    X x;
#pragma unroll
    for (int step = 0; step < kInnerF8Steps; ++step) {
      const uint32_t column = X::group(step, part, num_parts) * X::kColumns;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        Octet<T> octet = {};
        if (part < num_parts && column < matrix.in) octet = load_octet(gated + column + i * kOctet);
#pragma unroll
        for (int k = 0; k < 4; ++k) x.words[step][4 * i + k] = octet.words[k];
      }
    }
    if constexpr (Product<T, __nv_fp8_e4m3>::kScalesVector) scale_to_f16(x);
    multiply(3, pointers, layer, x);
  }

  template <typename W, int kSteps>
  __device__ void multiply(uint32_t kind, const DecodeRowLayerTask& pointers, uint32_t layer,
                           const Fragments<W, kSteps>& x) {
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

template <typename T, typename C, int kInnerSteps>
__global__ void __launch_bounds__(kThreads, 1) run_step(const __grid_constant__ DecodeRowTask task) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  extern __shared__ __align__(kRingAlignment) char memory[];
  auto& shared = *reinterpret_cast<SharedState*>(memory);
  char* ring = memory + kStateBytes;
  if (threadIdx.x == 0) {
    for (uint32_t i = 0; i < kMaxStages; ++i) {
      init_barrier(&shared.stream.full[i], 1);
      init_barrier(&shared.stream.empty[i], kConsumerWarps);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  const AttentionShare share(task);
  if (threadIdx.x < kConsumerThreads) {
    Consumer<T, C, kInnerSteps>(task, ring, shared, share).run();
  } else {
    produce(task, ring, shared.stream, share);
  }
#endif
}

}  // namespace
uint32_t decode_row_ring_bytes(const CudaQueue& queue) {
  return (static_cast<uint32_t>(queue.max_shared_bytes) - static_cast<uint32_t>(kStateBytes)) /
         kRingAlignment * kRingAlignment;
}

namespace {
template <typename T, typename C>
void launch_step(const DecodeRowTask& task, const CudaQueue& queue) {
  DecodeRowTask sized = task;
  if (sized.ring_bytes == 0) sized.ring_bytes = decode_row_ring_bytes(queue);
  const LaunchShape shape{.grid = static_cast<unsigned>(queue.num_multiprocessors),
                          .block = kThreads,
                          .shared_bytes = kStateBytes + sized.ring_bytes};
  // The vector of the down projection takes 3 or 5 steps.
  const DecodeRowMatrix& inner = task.matrices[3];
  const bool is_wide = inner.in > kConsumerThreads / inner.stage_rows * kOctet * 3;
  launch(queue, "decode_row", shape, Overlap::kWholeGridAtOnce,
         is_wide ? run_step<T, C, 5> : run_step<T, C, 3>, sized);
}

}  // namespace

void decode_row(const DecodeRowTask& task, const CudaQueue& queue) {
  const bool is_f8 = task.cache_type == Element::kF8E4M3;
  if (task.type == Element::kBF16) {
    return is_f8 ? launch_step<__nv_bfloat16, __nv_fp8_e4m3>(task, queue)
                 : launch_step<__nv_bfloat16, __nv_bfloat16>(task, queue);
  }
  return is_f8 ? launch_step<__half, __nv_fp8_e4m3>(task, queue)
               : launch_step<__half, __half>(task, queue);
}

}  // namespace fathom::kernels::cuda
