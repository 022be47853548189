// Attention of sequences with few rows: reads the cache once, at the speed of memory.
//
// Work is counted in spans of 64 keys (128 of 8 bits) of one (sequence, KV head), an item. All
// items' spans in a row are cut into equal pieces, one for each block of a grid that the device's
// size alone sets, so a recorded launch stays balanced whatever the contexts are. Of a span each
// warp takes a quarter, through a ring of its own in shared memory, with the tensor cores: 8 rows
// of queries cost as much as one. Where an item ends the block adds up its four warps; an item cut
// over several blocks is added up, in their order, by the block that finishes last.
#include "footprint/scratch.h"
#include "kernels/paged_attention/attention_cuda.h"
#include "kernels/paged_attention/attention_tiles.cuh"
#include "kernels/paged_attention/with_tiles.cuh"

namespace fathom::kernels::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpThreads;
static_assert(kDecodeQueries == footprint::kAttentionQueryRows);
constexpr int kAddRows = 2;  // rows that are added up over the warps at a time

__host__ __device__ constexpr int num_stages(int architecture, int element_bytes) {
  if (architecture < 80) return 1;  // copies are not asynchronous
  (void)element_bytes;
  return architecture == 86 || architecture == 89 ? 2 : 3;  // 99 KiB of shared memory
}

#if defined(__CUDA_ARCH__)
constexpr int kArchitecture = __CUDA_ARCH__ / 10;
#else
constexpr int kArchitecture = 90;
#endif

// What an item's partial result in the workspace is: rows of totals, maximum and sum, aligned.
__host__ __device__ constexpr int64_t partial_floats(int64_t head_dim) {
  return kDecodeQueries * (head_dim + footprint::kAttentionRowExtras);
}

// Blocks of 16 keys that a warp takes of a span.
template <typename T>
constexpr int kWarpBlocks = T::kIsByte ? 2 : 1;
template <typename T>
constexpr int kSpanKeys = kWarps * kWarpBlocks<T> * kBlockKeys;

// How many spans there are, and how they are cut.
struct Cuts {
  int64_t spans;
  int64_t blocks;

  // Products that fit 32 bits, as they nearly always do, divide fast.
  __device__ int64_t divided(int64_t product, int64_t by) const {
    if (product >> 32 == 0) return static_cast<uint32_t>(product) / static_cast<uint32_t>(by);
    return product / by;
  }
  __device__ int64_t first_span(int64_t block) const { return divided(block * spans, blocks); }
  __device__ int block_of(int64_t span) const {
    return static_cast<int>(divided((span + 1) * blocks + spans - 1, spans)) - 1;
  }
};

// A span on the way through the items.
struct Cursor {
  int sequence;
  int kv_head;
  int span;         // of the item
  int num_spans;    // of each item of the sequence
  int first_row;    // of the batch
  int num_queries;  // rows times heads of a group
  int context_len;
};

// Spans of each of the sequence's items: 0 if the sequence is not this kernel's.
template <typename T>
__device__ int spans_of(const AttentionTask& task, int sequence) {
  const int rows = task.query_starts[sequence + 1] - task.query_starts[sequence];
  const int group = group_of(task);
  if (rows == 0 || rows * group > kDecodeQueries) return 0;
  return max(1, (task.context_lens[sequence] + kSpanKeys<T> - 1) / kSpanKeys<T>);
}

__device__ void enter_sequence(const AttentionTask& task, Cursor& cursor, int num_spans) {
  cursor.num_spans = num_spans;
  cursor.first_row = task.query_starts[cursor.sequence];
  cursor.num_queries = (task.query_starts[cursor.sequence + 1] - cursor.first_row) * group_of(task);
  cursor.context_len = task.context_lens[cursor.sequence];
}

// To the next span, which there must be.
template <typename T>
__device__ void advance(const AttentionTask& task, Cursor& cursor) {
  if (++cursor.span < cursor.num_spans) return;
  cursor.span = 0;
  if (++cursor.kv_head < task.num_kv_heads) return;
  cursor.kv_head = 0;
  int num_spans = 0;
  while (num_spans == 0) num_spans = spans_of<T>(task, ++cursor.sequence);
  enter_sequence(task, cursor, num_spans);
}

// Each warp counts for itself.
template <typename T>
__device__ int64_t count_spans(const AttentionTask& task) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  int count = 0;
  for (int s = lane; s < task.num_sequences; s += kWarpThreads) count += spans_of<T>(task, s);
  for (int offset = kWarpThreads / 2; offset > 0; offset /= 2) {
    count += __shfl_xor_sync(0xFFFFFFFFU, count, offset);
  }
  return static_cast<int64_t>(count) * task.num_kv_heads;
}

template <typename T>
__device__ Cursor find(const AttentionTask& task, int64_t span) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const auto kv_heads = static_cast<int>(task.num_kv_heads);
  const auto num_sequences = static_cast<int>(task.num_sequences);
  for (int first = 0;; first += kWarpThreads) {
    const int own = first + lane < num_sequences ? spans_of<T>(task, first + lane) : 0;
    int64_t end = static_cast<int64_t>(own) * kv_heads;
    for (int offset = 1; offset < kWarpThreads; offset *= 2) {
      const int64_t below = __shfl_up_sync(0xFFFFFFFFU, end, offset);
      if (lane >= offset) end += below;
    }
    const unsigned past = __ballot_sync(0xFFFFFFFFU, end > span);
    if (past == 0 && first + kWarpThreads < num_sequences) {
      span -= __shfl_sync(0xFFFFFFFFU, end, kWarpThreads - 1);
      continue;
    }
    const int found = __ffs(past) - 1;
    const int num_spans = __shfl_sync(0xFFFFFFFFU, own, found);
    const int64_t start =
        __shfl_sync(0xFFFFFFFFU, end, found) - static_cast<int64_t>(num_spans) * kv_heads;
    const int in_sequence = static_cast<int>(span - start);
    Cursor cursor{.sequence = first + found,
                  .kv_head = in_sequence / num_spans,
                  .span = in_sequence % num_spans};
    enter_sequence(task, cursor, num_spans);
    return cursor;
  }
}

template <typename T>
struct Shared {
  static constexpr int kStages = num_stages(kArchitecture, sizeof(typename T::Cache));
  alignas(128) char ring[kWarps][kStages][kWarpBlocks<T>][T::kBlockBytes];
  float totals[2][kWarps][kAddRows][T::kDim];
  float max_scores[kWarps][kDecodeQueries];
  float sums[kWarps][kDecodeQueries];
  int is_last;
};

template <typename T>
constexpr int kBlocksPerMultiprocessor = 2;
static_assert(kBlocksPerMultiprocessor<void> <= footprint::kAttentionBlocksPerMultiprocessor);

// Where query i of an item begins in q and y.
__device__ int64_t query_offset(const AttentionTask& task, const Cursor& item, int i) {
  const int group = group_of(task);
  return (static_cast<int64_t>(item.first_row + i / group) * task.num_heads + item.kv_head * group +
          i % group) *
         task.head_dim;
}

template <typename X, typename T>
__device__ void load_queries(const AttentionTask& task, const Cursor& item,
                             uint32_t (&q)[T::kDim / 16][2], int& limit) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int i = lane / 4;
  const bool is_live = i < item.num_queries;
  const X* source = static_cast<const X*>(task.q) + query_offset(task, item, is_live ? i : 0);
#pragma unroll
  for (int step = 0; step < T::kDim / 16; ++step) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      q[step][half] =
          is_live ? load_pair<typename T::Math>(source + step * 16 + T::query_dim(lane, half)) : 0;
    }
  }
  limit =
      is_live ? min(task.positions[item.first_row + i / group_of(task)] + 1, item.context_len) : 0;
}

// A row's greatest score over the warps, and its sum relative to that.
template <typename T>
__device__ void add_sums(const Shared<T>& shared, int row, float log2_scale, float& max_score,
                         float& sum) {
  max_score = -INFINITY;
  for (int warp = 0; warp < kWarps; ++warp) {
    max_score = fmaxf(max_score, shared.max_scores[warp][row]);
  }
  sum = 0;
  const float origin = max_score == -INFINITY ? 0.0F : max_score;
  for (int warp = 0; warp < kWarps; ++warp) {
    sum +=
        shared.sums[warp][row] * power_of_two((shared.max_scores[warp][row] - origin) * log2_scale);
  }
}

// Adds up the warps' rows, and calls write(row, dim, total, max score, sum) once for each element
// of the item's queries.
template <typename T, typename Write>
__device__ void add_warps(Shared<T>& shared, RowSums<T, 1>& rows, int num_queries, float log2_scale,
                          Write&& write) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  rows.add_up();
  if (lane % 4 == 0) {
    shared.max_scores[warp][lane / 4] = rows.max_scores[0];
    shared.sums[warp][lane / 4] = rows.sums[0];
  }
  __syncthreads();
  float max_score;
  float sum;
  add_sums(shared, lane / 4, log2_scale, max_score, sum);
  const float origin = max_score == -INFINITY ? 0.0F : max_score;
  const float factor = power_of_two((rows.max_scores[0] - origin) * log2_scale);
  for (int first = 0; first < num_queries; first += kAddRows) {
    auto& totals = shared.totals[first / kAddRows % 2];
    if (lane / 4 / kAddRows * kAddRows == first) {
      float* target = totals[warp][lane / 4 % kAddRows];
#pragma unroll
      for (int n = 0; n < T::kDim / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          target[n / 2 * 16 + T::value_dim(lane, n % 2 * 2 + e)] = rows.totals[n][e] * factor;
        }
      }
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kAddRows * T::kDim; i += kThreads) {
      const int row = first + i / T::kDim;
      if (row >= num_queries) break;
      float total = 0;
      for (int w = 0; w < kWarps; ++w) total += totals[w][i / T::kDim][i % T::kDim];
      add_sums(shared, row, log2_scale, max_score, sum);
      write(row, i % T::kDim, total, max_score, sum);
    }
  }
  __syncthreads();  // before the sums are written again
}

// The padding rows' sum is 0.
__device__ float quotient(float total, float sum) { return sum == 0.0F ? 0.0F : total / sum; }

// Adds up the partial results of blocks first..last, in order: a thread has four dimensions of a
// row, and many loads under way at a time.
template <typename X, typename T>
__device__ void add_partials(const AttentionTask& task, const float* partials, const Cursor& item,
                             int first, int last, float log2_scale) {
  constexpr int kAtOnce = 8;
  constexpr int kThreadsPerRow = T::kDim / 4;
  for (int i = static_cast<int>(threadIdx.x); i < item.num_queries * kThreadsPerRow;
       i += kThreads) {
    const int row = i / kThreadsPerRow;
    const int dim = i % kThreadsPerRow * 4;
    float max_score = -INFINITY;
    float sum = 0;
    float totals[4] = {};
    for (int base = first; base <= last; base += kAtOnce) {
      float2 sums[kAtOnce];
      float4 parts[kAtOnce];
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        const int block = min(base + k, last);
        const float* partial = partials +
                               (2 * block + (block == first ? 1 : 0)) * partial_floats(T::kDim) +
                               row * (T::kDim + 4);
        sums[k] = __ldcg(reinterpret_cast<const float2*>(partial + T::kDim));
        parts[k] = __ldcg(reinterpret_cast<const float4*>(partial + dim));
        if (base + k > last) sums[k] = {-INFINITY, 0.0F};
      }
      float new_max = max_score;
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) new_max = fmaxf(new_max, sums[k].x);
      const float origin = new_max == -INFINITY ? 0.0F : new_max;
      const float factor = power_of_two((max_score - origin) * log2_scale);
      max_score = new_max;
      sum *= factor;
      for (float& total : totals) total *= factor;
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        const float weight =
            base + k > last ? 0.0F : power_of_two((sums[k].x - origin) * log2_scale);
        sum += weight * sums[k].y;
        totals[0] += weight * parts[k].x;
        totals[1] += weight * parts[k].y;
        totals[2] += weight * parts[k].z;
        totals[3] += weight * parts[k].w;
      }
    }
    X* y = static_cast<X*>(task.y) + query_offset(task, item, row) + dim;
#pragma unroll
    for (int e = 0; e < 4; ++e) y[e] = narrow<X>(quotient(totals[e], sum));
  }
}

// Ends this block's piece of an item, the spans up to `span` of all.
template <typename X, typename T>
__device__ void finish_item(const AttentionTask& task, Shared<T>& shared, RowSums<T, 1>& rows,
                            const Cursor& item, const Cuts& cuts, int64_t span, float log2_scale) {
  const int64_t first_span = span - item.span;
  const int first = cuts.block_of(first_span);
  const int last = cuts.block_of(first_span + item.num_spans - 1);
  if (first == last) {
    add_warps(shared, rows, item.num_queries, log2_scale,
              [&](int row, int dim, float total, float, float sum) {
                static_cast<X*>(task.y)[query_offset(task, item, row) + dim] =
                    narrow<X>(quotient(total, sum));
              });
    return;
  }
  auto* counters = reinterpret_cast<unsigned*>(task.workspace);
  float* partials = task.workspace + (gridDim.x + 3) / 4 * 4;
  const int block = static_cast<int>(blockIdx.x);
  float* partial = partials + (2 * block + (block == first ? 1 : 0)) * partial_floats(T::kDim);
  add_warps(shared, rows, item.num_queries, log2_scale,
            [&](int row, int dim, float total, float max_score, float sum) {
              partial[row * (T::kDim + 4) + dim] = total;
              if (dim == 0) {
                partial[row * (T::kDim + 4) + T::kDim] = max_score;
                partial[row * (T::kDim + 4) + T::kDim + 1] = sum;
              }
            });
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    const auto pieces = static_cast<unsigned>(last - first + 1);
    shared.is_last = atomicAdd(&counters[first], 1U) == pieces - 1 ? 1 : 0;
    if (shared.is_last != 0) counters[first] = 0;
    __threadfence();
  }
  __syncthreads();
  if (shared.is_last != 0) add_partials<X, T>(task, partials, item, first, last, log2_scale);
}

template <typename X, typename T>
__global__ void __launch_bounds__(kThreads, kBlocksPerMultiprocessor<T>)
    decode_kernel(AttentionTask task) {
  extern __shared__ char shared_bytes[];
  auto& shared = *reinterpret_cast<Shared<T>*>(shared_bytes);
  constexpr int kStages = Shared<T>::kStages;
  constexpr int kAhead = kStages > 1 ? kStages - 1 : 1;
  wait_for_predecessor();
  let_successor_start();
  Cuts cuts{.spans = count_spans<T>(task), .blocks = 0};
  cuts.blocks = min(static_cast<int64_t>(gridDim.x), cuts.spans);
  if (blockIdx.x >= cuts.blocks) return;
  const int64_t end = cuts.first_span(blockIdx.x + 1);
  int64_t span = cuts.first_span(blockIdx.x);
  int64_t next_span = span;
  int stage = 0;
  int next_stage = 0;
  Cursor item = find<T>(task, span);
  Cursor next = item;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  constexpr int kBlocks = kWarpBlocks<T>;
  // For a lane's key of each of the warp's blocks.
  int vectors[kBlocks];
  const auto find_vectors = [&] {
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
      const int position =
          next.span * kSpanKeys<T> + (warp * kBlocks + i) * kBlockKeys + lane % kBlockKeys;
      vectors[i] = cache_vector(task, task.block_tables + next.sequence * task.max_blocks,
                                next.kv_head, position, next.context_len);
    }
  };
  find_vectors();
  // The block table is read one span before its keys, so that nothing waits for it.
  const auto start_next = [&] {
    if (next_span < end) {
#pragma unroll
      for (int i = 0; i < kBlocks; ++i) {
        T::start_block(task, shared.ring[warp][next_stage][i], vectors[i]);
      }
      next_stage = next_stage + 1 == kStages ? 0 : next_stage + 1;
      if (++next_span < end) {
        advance<T>(task, next);
        find_vectors();
      }
    }
    end_copy_group();
  };
  const float log2_scale = task.scale * 1.44269504F;
  uint32_t q[T::kDim / 16][2];
  int limits[1][1];
  RowSums<T, 1> rows;
#pragma unroll 1
  for (int i = 0; i < kAhead; ++i) start_next();
  bool is_new = true;
#pragma unroll 1
  for (; span < end; ++span) {
    if (is_new) {
      load_queries<X, T>(task, item, q, limits[0][0]);
      rows.clear();
    }
    wait_copy_groups<kAhead - 1>();
    __syncwarp();
    if (kStages > 1) start_next();
    attend<T, 1, kBlocks, 1>(&rows, shared.ring[warp][stage][0],
                             item.span * kSpanKeys<T> + warp * kBlocks * kBlockKeys, limits,
                             log2_scale, [&](int, int step, uint32_t(&a)[4]) {
                               a[0] = q[step][0];
                               a[1] = a[3] = 0;
                               a[2] = q[step][1];
                             });
    stage = stage + 1 == kStages ? 0 : stage + 1;
    is_new = item.span == item.num_spans - 1;
    if (is_new || span == end - 1) {
      finish_item<X>(task, shared, rows, item, cuts, span, log2_scale);
    }
    if (kStages == 1) {
      __syncwarp();
      start_next();
    }
    if (span < end - 1) advance<T>(task, item);
  }
}

template <typename X, typename T>
void decode(const AttentionTask& task, const CudaQueue& queue) {
  constexpr int kElementBytes = sizeof(typename T::Cache);
  const int stages = num_stages(queue.architecture, kElementBytes);
  // Shared<T> as the device's code has it.
  const size_t shared_bytes = sizeof(Shared<T>) - static_cast<size_t>(Shared<T>::kStages - stages) *
                                                      kWarps * T::kBlockBytes;
  launch(queue, "paged_attention (decode)",
         {.grid = static_cast<unsigned>(queue.num_multiprocessors * kBlocksPerMultiprocessor<T>),
          .block = kThreads,
          .shared_bytes = shared_bytes},
         Overlap::kWithPredecessor, decode_kernel<X, T>, task);
}

}  // namespace

void decode_attention(const AttentionTask& task, const CudaQueue& queue) {
  with_tiles(task, [&]<typename X, typename T>() { decode<X, T>(task, queue); });
}

}  // namespace fathom::kernels::cuda
