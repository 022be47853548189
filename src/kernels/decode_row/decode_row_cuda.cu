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

constexpr int kThreads = kConsumerThreads + 4 * kWarpThreads;
constexpr uint32_t kBarriersEachLayer = 5;

struct SharedState {
  union {
    PartialSums partials;
    AttentionScratch attention;
  };
  StreamBarriers stream;
  float warp_sums[kConsumerWarps];
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
    asm volatile("red.release.gpu.global.add.u64 [%0], 1;" ::"l"(arrivals_) : "memory");
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
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(arrivals_) : "memory");
    return value;
  }
  uint64_t* arrivals_;
  uint64_t target_ = 0;
};

__device__ void produce(const DecodeRowTask& task, char* ring, StreamBarriers& barriers,
                        const AttentionShare& share) {
  WeightProducer producer(ring, task.ring_bytes, barriers);
  const uint32_t element_bytes = task.cache_type == Element::kF8E4M3 ? 1 : 2;
  for (uint32_t layer = 0; layer < task.num_layers; ++layer) {
    const DecodeRowLayerTask& pointers = task.layers[layer];
    // The keys and values of earlier steps, in time for this layer's attention.
    if (share.is_any) {
      const uint32_t kv_head = share.head / (task.num_heads / task.num_kv_heads);
      for (uint32_t at = share.first; at < share.end;) {
        const uint32_t next = min((at / task.block_tokens + 1) * task.block_tokens, share.end);
        const int64_t offset = cache_offset(task, kv_head, at) * element_bytes;
        const uint32_t num_bytes = (next - at) * task.head_dim * element_bytes;
        prefetch_to_l2(static_cast<const char*>(pointers.keys) + offset, num_bytes);
        prefetch_to_l2(static_cast<const char*>(pointers.values) + offset, num_bytes);
        at = next;
      }
    }
    for (uint32_t i = 0; i < kNumLayerMatrices; ++i) {
      producer.copy_matrix(task.matrices[i], pointers.weights[i], layer);
    }
  }
  producer.copy_matrix(task.matrices[kHeadMatrix], task.head, task.num_layers);
}

// What a lane of the finishing warp needs besides its two rows' sums, fetched while the weights
// are still on their way.
struct Prepared {
  float low_scale, high_scale;
  float low_add, high_add;  // bias, or the residual
  float cosine, sine;
};

template <typename T, typename C>
class RowFinisher {
 public:
  __device__ explicit RowFinisher(const DecodeRowTask& task)
      : task_(task), position_(task.positions[0]), slot_(task.slots[0]) {}

  __device__ Prepared prepare(uint32_t kind, const DecodeRowLayerTask& layer, const float* scales,
                              uint32_t low_row, uint32_t high_row) const {
    Prepared p{1, 1, 0, 0, 0, 0};
    if (scales != nullptr) {
      p.low_scale = __ldg(scales + low_row);
      p.high_scale = __ldg(scales + high_row);
    }
    if (kind == 0) {
      const auto* bias = static_cast<const T*>(layer.qkv_bias);
      if (bias != nullptr) {
        p.low_add = widen(bias[low_row]);
        p.high_add = widen(bias[high_row]);
      }
      const uint32_t half = task_.head_dim / 2;
      const float* turn = task_.cos_sin + static_cast<int64_t>(position_) * task_.head_dim;
      p.cosine = __ldg(turn + low_row % half);
      p.sine = __ldg(turn + half + low_row % half);
    } else if (kind == 1 || kind == 3) {
      p.low_add = __ldcg(task_.residual + low_row);
      p.high_add = __ldcg(task_.residual + high_row);
    }
    return p;
  }

  // Two rows of queries, keys or values: i and i + head_dim / 2 of a head.
  __device__ void finish_qkv(const Prepared& p, const DecodeRowLayerTask& layer, uint32_t row,
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

  __device__ void finish(uint32_t kind, const Prepared& p, const DecodeRowLayerTask& layer,
                         uint32_t low_row, uint32_t high_row, bool has_high, float low,
                         float high) const {
    low = fmaf(low, p.low_scale, p.low_add);
    high = fmaf(high, p.high_scale, p.high_add);
    if (kind == 0) return finish_qkv(p, layer, low_row, low, high);
    if (kind == 2) {
      static_cast<T*>(task_.gated)[low_row] = narrow<T>(low / (1.0F + expf(-low)) * high);
      return;
    }
    float* to = kind == kHeadMatrix ? task_.logits : task_.residual;
    to[low_row] = low;
    if (has_high) to[high_row] = high;
  }

 private:
  const DecodeRowTask& task_;
  int32_t position_;
  int32_t slot_;
};

template <typename T, typename C, int kHiddenChunks, int kInnerChunks>
class Consumer {
 public:
  __device__ Consumer(const DecodeRowTask& task, const char* ring, SharedState& shared,
                      const AttentionShare& share)
      : task_(task),
        shared_(shared),
        share_(share),
        weights_(ring, task.ring_bytes, shared.stream, shared.partials),
        grid_(task.barrier, task.num_layers),
        finisher_(task) {}

  __device__ void run() {
    embed();
    for (uint32_t layer = 0; layer < task_.num_layers; ++layer) {
      const DecodeRowLayerTask& pointers = task_.layers[layer];
      for (uint32_t kind = 0; kind < kNumLayerMatrices; ++kind) {
        if (kind == 3) {
          run_down(pointers, layer);
        } else {
          run_hidden(kind, pointers, layer);
        }
        __syncwarp();
        if (threadIdx.x == 0) grid_.arrive();
        if (kind == 0) attend(pointers);
      }
    }
    run_hidden(kHeadMatrix, DecodeRowLayerTask{}, task_.num_layers);
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
    float x[kHiddenChunks][kChunk];
    if (kind == 1) {
      grid_.wait();
      load_attended(x);
    } else {
      const void* norm = pointers.attention_norm;
      if (kind == 2) norm = pointers.mlp_norm;
      if (kind == kHeadMatrix) norm = task_.final_norm;
      load_normed(static_cast<const T*>(norm), kind == kHeadMatrix, x);
    }
    multiply(kind, pointers, layer, x);
  }

  __device__ void run_down(const DecodeRowLayerTask& pointers, uint32_t layer) {
    grid_.wait();
    float x[kInnerChunks][kChunk] = {};
    const T* gated = static_cast<const T*>(task_.gated);
    Chunk<T> chunks[kInnerChunks] = {};
#pragma unroll
    for (int v = 0; v < kInnerChunks; ++v) {
      const uint32_t column = own_chunk(v) * kChunk;
      if (column < task_.matrices[3].in) chunks[v] = load_chunk(gated + column);
    }
#pragma unroll
    for (int v = 0; v < kInnerChunks; ++v) widen_chunk(chunks[v], x[v]);
    multiply(3, pointers, layer, x);
  }

  __device__ void load_attended(float (&x)[kHiddenChunks][kChunk]) {
#pragma unroll
    for (int v = 0; v < kHiddenChunks; ++v) {
      const uint32_t column = own_chunk(v) * kChunk;
      const bool is_inside = column < task_.matrices[1].in;
      if (is_inside) merge_splits(task_, column, x[v]);
#pragma unroll
      for (float& value : x[v]) value = is_inside ? round_to<T>(value) : 0.0F;
    }
  }

  __device__ void load_normed(const T* norm, bool is_last, float (&x)[kHiddenChunks][kChunk]) {
    Chunk<T> norm_chunks[kHiddenChunks] = {};
#pragma unroll
    for (int v = 0; v < kHiddenChunks; ++v) {
      const uint32_t column = own_chunk(v) * kChunk;
      if (column < task_.hidden) norm_chunks[v] = load_chunk(norm + column);
    }
    grid_.wait();
    float squares = 0;
#pragma unroll
    for (int v = 0; v < kHiddenChunks; ++v) {
      const uint32_t column = own_chunk(v) * kChunk;
#pragma unroll
      for (float& value : x[v]) value = 0;
      if (column < task_.hidden) load_floats(task_.residual + column, x[v]);
#pragma unroll
      for (const float value : x[v]) squares = fmaf(value, value, squares);
    }
    squares = warp_sum(squares);
    if (threadIdx.x % kWarpThreads == 0) shared_.warp_sums[threadIdx.x / kWarpThreads] = squares;
    sync_consumers();
    squares = 0;
#pragma unroll
    for (const float each : shared_.warp_sums) squares += each;
    const float factor = 1.0F / sqrtf(squares / static_cast<float>(task_.hidden) + task_.epsilon);
#pragma unroll
    for (int v = 0; v < kHiddenChunks; ++v) {
      float weights[kChunk];
      widen_chunk(norm_chunks[v], weights);
      const uint32_t column = own_chunk(v) * kChunk;
      T* hidden = static_cast<T*>(task_.hidden_state) + column;
      const bool is_output = is_last && blockIdx.x == 0 && column < task_.hidden;
#pragma unroll
      for (int i = 0; i < static_cast<int>(kChunk); ++i) {
        const T rounded = narrow<T>(x[v][i] * factor * weights[i]);
        x[v][i] = widen(rounded);
        if (is_output) hidden[i] = rounded;
      }
    }
  }

  template <int kChunks>
  __device__ void multiply(uint32_t kind, const DecodeRowLayerTask& pointers, uint32_t layer,
                           const float (&x)[kChunks][kChunk]) {
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
    const auto finish = [&](const Prepared& prepared, uint32_t index, float low, float high) {
      finisher_.finish(kind, prepared, pointers, row_of(matrix, units, index), high_row(index),
                       index + 1 < num_rows, low, high);
    };
    if (matrix.is_f8) {
      weights_.template multiply<__nv_fp8_e4m3>(matrix, num_rows, x, prepare, finish);
    } else {
      weights_.template multiply<T>(matrix, num_rows, x, prepare, finish);
    }
  }

  const DecodeRowTask& task_;
  SharedState& shared_;
  const AttentionShare& share_;
  WeightConsumer weights_;
  GridBarrier grid_;
  RowFinisher<T, C> finisher_;
};

template <typename T, typename C, int kHiddenChunks, int kInnerChunks>
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
    asm volatile("setmaxnreg.inc.sync.aligned.u32 112;");
    Consumer<T, C, kHiddenChunks, kInnerChunks>(task, ring, shared, share).run();
  } else {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
    if (threadIdx.x == kConsumerThreads) produce(task, ring, shared.stream, share);
  }
#endif
}

template <typename T, typename C>
void launch_step(const DecodeRowTask& task, const CudaQueue& queue) {
  DecodeRowTask sized = task;
  if (sized.ring_bytes == 0) sized.ring_bytes = decode_row_ring_bytes(queue);
  const LaunchShape shape{.grid = static_cast<unsigned>(queue.num_multiprocessors),
                          .block = kThreads,
                          .shared_bytes = kStateBytes + sized.ring_bytes};
  const bool is_wide = task.matrices[3].in > 3 * kConsumerThreads * kChunk;
  launch(queue, "decode_row", shape, Overlap::kWholeGridAtOnce,
         is_wide ? run_step<T, C, 1, 5> : run_step<T, C, 1, 3>, sized);
}

}  // namespace

uint32_t decode_row_ring_bytes(const CudaQueue& queue) {
  return (static_cast<uint32_t>(queue.max_shared_bytes) - static_cast<uint32_t>(kStateBytes)) /
         kRingAlignment * kRingAlignment;
}

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
