// Attention over pages: a tile of queries that share a KV head walks the sequence's blocks.
//
// A task is one KV head and up to kTile query vectors: consecutive rows of a sequence times the
// query heads of the group. Each query goes over its blocks in order of position with an online
// softmax per block, so its result depends on nothing but itself and the cache.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

// Queries of a task: their scores and sums stay in the first-level cache.
constexpr int64_t kTile = 16;
constexpr int64_t kMaxBlockTokens = 64;
constexpr int64_t kMaxHeadDim = 512;

// One head's part of a block; the scales are those of an int8 cache.
template <typename Cache>
struct Block {
  const Cache* keys;
  const Cache* values;
  const float* key_scales;
  const float* value_scales;
  int64_t first_position;
};

template <typename Cache>
constexpr bool kHasScales = false;
template <>
constexpr bool kHasScales<int8_t> = true;

struct Query {
  const void* q;
  void* y;
  int64_t last_position;
  float max_score;
  float sum;
};

// Four dot products at a time share the loads of the query.
template <typename Q, typename Cache>
FATHOM_INLINE void dot4(const Q* q, const Cache* keys, int64_t dim, float scale, float* scores) {
  Floats sums[4] = {};
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const Floats value = load(q + i);
    for (int t = 0; t < 4; ++t) sums[t] += value * load(keys + t * dim + i);
  }
  if (i < dim) {
    const Floats value = load_first(q + i, dim - i);
    for (int t = 0; t < 4; ++t) sums[t] += value * load_first(keys + t * dim + i, dim - i);
  }
  for (int t = 0; t < 4; ++t) scores[t] = sum(sums[t]) * scale;
}

template <typename Q, typename Cache>
FATHOM_INLINE float dot(const Q* q, const Cache* key, int64_t dim, float scale) {
  Floats total{};
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) total += load(q + i) * load(key + i);
  if (i < dim) total += load_first(q + i, dim - i) * load_first(key + i, dim - i);
  return sum(total) * scale;
}

// Turns scores into weights e^(score - new maximum); returns the factor for what was summed
// before, and adds the weights to the query's sum.
FATHOM_INLINE float soften(Query& query, float* scores, int64_t visible) {
  float max_score = query.max_score;
  for (int64_t t = 0; t < visible; ++t) max_score = scores[t] > max_score ? scores[t] : max_score;
  const float factor = exp(broadcast(query.max_score - max_score))[0];
  float total = 0;
  for (int64_t t = 0; t < visible; t += kLanes) {
    const int64_t count = visible - t < kLanes ? visible - t : kLanes;
    const Floats weights = exp(load_up_to(scores + t, count) - max_score);
    store_up_to(scores + t, weights, count);
  }
  for (int64_t t = 0; t < visible; ++t) total += scores[t];
  query.sum = query.sum * factor + total;
  query.max_score = max_score;
  return factor;
}

// total = total * factor + sum over t of weights[t] * values[t].
template <typename Cache>
FATHOM_INLINE void add_values(float* total, float factor, const float* weights, const Cache* values,
                              int64_t visible, int64_t dim) {
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    Floats lanes = load(total + i) * factor;
    for (int64_t t = 0; t < visible; ++t) lanes += weights[t] * load(values + t * dim + i);
    store(total + i, lanes);
  }
  if (i < dim) {
    const int64_t rest = dim - i;
    Floats lanes = load_first(total + i, rest) * factor;
    for (int64_t t = 0; t < visible; ++t) {
      lanes += weights[t] * load_first(values + t * dim + i, rest);
    }
    store_first(total + i, lanes, rest);
  }
}

template <typename Q, typename Cache>
void run_block(const AttentionTask& task, Query& query, float* total, const Block<Cache>& block) {
  const int64_t dim = task.head_dim;
  const int64_t open = query.last_position + 1 - block.first_position;
  const int64_t visible = open < task.block_tokens ? open : task.block_tokens;
  if (visible <= 0) return;
  float scores[kMaxBlockTokens];
  const Q* q = static_cast<const Q*>(query.q);
  int64_t t = 0;
  for (; t + 4 <= visible; t += 4) dot4(q, block.keys + t * dim, dim, task.scale, scores + t);
  for (; t < visible; ++t) scores[t] = dot(q, block.keys + t * dim, dim, task.scale);
  if constexpr (kHasScales<Cache>) {
    for (t = 0; t < visible; ++t) scores[t] *= block.key_scales[t];
  }
  const float factor = soften(query, scores, visible);
  if constexpr (kHasScales<Cache>) {
    for (t = 0; t < visible; ++t) scores[t] *= block.value_scales[t];
  }
  add_values(total, factor, scores, block.values, visible, dim);
}

template <typename Y>
void write(const Query& query, const float* total, int64_t dim) {
  Y* y = static_cast<Y*>(query.y);
  const float scale = query.sum == 0.0F ? 0.0F : 1.0F / query.sum;  // a padding row's sum is 0
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) store(y + i, load(total + i) * scale);
  if (i < dim) store_first(y + i, load_first(total + i, dim - i) * scale, dim - i);
}

// Queries [first, first + count) of the sequence's rows times the group's heads.
template <typename Q, typename Cache>
void run_tile(const AttentionTask& task, int64_t sequence, int64_t kv_head, int64_t first,
              int64_t count) {
  const int64_t dim = task.head_dim;
  const int64_t group = task.num_heads / task.num_kv_heads;
  Query queries[kTile];
  float totals[kTile * kMaxHeadDim];
  memset(totals, 0, static_cast<size_t>(count * dim) * sizeof(float));
  const bool is_padding = task.context_lens[sequence] == 0;
  int64_t last_position = -1;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = task.query_starts[sequence] + (first + i) / group;
    const int64_t head = kv_head * group + (first + i) % group;
    const int64_t at = (row * task.num_heads + head) * dim;
    queries[i] = {static_cast<const Q*>(task.q) + at, static_cast<Q*>(task.y) + at,
                  is_padding ? -1 : task.positions[row], -__builtin_inff(), 0.0F};
    last_position = queries[i].last_position;
  }
  const int32_t* table = task.block_tables + sequence * task.max_blocks;
  for (int64_t block = 0; block * task.block_tokens <= last_position; ++block) {
    const int64_t at = (table[block] * task.num_kv_heads + kv_head) * task.block_tokens;
    const Block<Cache> each = {static_cast<const Cache*>(task.keys) + at * dim,
                               static_cast<const Cache*>(task.values) + at * dim,
                               kHasScales<Cache> ? task.key_scales + at : nullptr,
                               kHasScales<Cache> ? task.value_scales + at : nullptr,
                               block * task.block_tokens};
    for (int64_t i = 0; i < count; ++i) run_block<Q>(task, queries[i], totals + i * dim, each);
  }
  for (int64_t i = 0; i < count; ++i) write<Q>(queries[i], totals + i * dim, dim);
}

// Tiles of a sequence's queries, for one KV head.
FATHOM_INLINE int64_t num_tiles(const AttentionTask& task, int64_t sequence) {
  const int64_t rows = task.query_starts[sequence + 1] - task.query_starts[sequence];
  return (rows * (task.num_heads / task.num_kv_heads) + kTile - 1) / kTile;
}

// Tasks are numbered sequence by sequence, KV head by KV head, tile by tile.
template <typename Q, typename Cache>
void run_task(void* context, int64_t index) {
  const auto& task = *static_cast<const AttentionTask*>(context);
  int64_t sequence = 0;
  while (index >= num_tiles(task, sequence) * task.num_kv_heads) {
    index -= num_tiles(task, sequence) * task.num_kv_heads;
    ++sequence;
  }
  const int64_t tiles = num_tiles(task, sequence);
  const int64_t rows = task.query_starts[sequence + 1] - task.query_starts[sequence];
  const int64_t queries = rows * (task.num_heads / task.num_kv_heads);
  const int64_t first = index % tiles * kTile;
  const int64_t count = queries - first < kTile ? queries - first : kTile;
  run_tile<Q, Cache>(task, sequence, index / tiles, first, count);
}

}  // namespace

void paged_attention(const AttentionTask& task, const ParallelFor& threads) {
  int64_t num_tasks = 0;
  for (int64_t i = 0; i < task.num_sequences; ++i) {
    num_tasks += num_tiles(task, i) * task.num_kv_heads;
  }
  const bool is_narrow = task.activation_type == Element::kBF16;
  auto* body = is_narrow ? run_task<Bf16, float> : run_task<float, float>;
  if (task.cache_type == Element::kBF16) {
    body = is_narrow ? run_task<Bf16, Bf16> : run_task<float, Bf16>;
  } else if (task.cache_type == Element::kI8) {
    body = is_narrow ? run_task<Bf16, int8_t> : run_task<float, int8_t>;
  }
  threads.run(threads.pool, num_tasks, body, const_cast<AttentionTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
