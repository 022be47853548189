// Plain softmax over all visible positions, in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/element.h"
#include "kernels/paged_attention/paged_attention.h"

namespace fathom::kernels {
namespace {

// Where element 0 of the head's key and value at `position` lies in the cache.
std::int64_t cache_offset(const PagedAttentionArgs& args, std::int64_t sequence,
                          std::int64_t kv_head, std::int64_t position) {
  const PagedKv& cache = args.cache;
  const auto* table =
      args.batch.block_tables.as<std::int32_t>() + sequence * args.batch.block_tables.shape[1];
  const std::int64_t block = table[position / cache.block_tokens()];
  return ((block * cache.num_kv_heads() + kv_head) * cache.block_tokens() +
          position % cache.block_tokens()) *
         cache.head_dim();
}

// Element `index` of the keys or values.
double cached(const PagedKv& cache, const tensor::View& half, const tensor::View& scales,
              std::int64_t index) {
  const double value = get(half, index);
  return cache.has_scales() ? value * get(scales, index / cache.head_dim()) : value;
}

void attend(const PagedAttentionArgs& args, std::int64_t sequence, std::int64_t row,
            std::int64_t head) {
  const std::int64_t num_heads = args.q.shape[1];
  const std::int64_t dim = args.q.shape[2];
  const std::int64_t kv_head = head / (num_heads / args.cache.num_kv_heads());
  const std::int64_t query = (row * num_heads + head) * dim;
  std::vector<double> weights;
  double max_score = -std::numeric_limits<double>::infinity();
  const bool is_padding = args.batch.context_lens.as<std::int32_t>()[sequence] == 0;
  const std::int64_t visible = is_padding ? 0 : args.batch.positions.as<std::int32_t>()[row] + 1;
  for (std::int64_t p = 0; p < visible; ++p) {
    const std::int64_t key = cache_offset(args, sequence, kv_head, p);
    double score = 0;
    for (std::int64_t i = 0; i < dim; ++i) {
      score += get(args.q, query + i) *
               cached(args.cache, args.cache.keys, args.cache.key_scales, key + i);
    }
    weights.push_back(score * args.scale);
    max_score = std::max(max_score, weights.back());
  }
  double sum = 0;
  for (double& weight : weights) sum += weight = std::exp(weight - max_score);
  for (std::int64_t i = 0; i < dim; ++i) {
    double total = 0;
    for (std::size_t p = 0; p < weights.size(); ++p) {
      const auto position = static_cast<std::int64_t>(p);
      total += weights[p] * cached(args.cache, args.cache.values, args.cache.value_scales,
                                   cache_offset(args, sequence, kv_head, position) + i);
    }
    set(args.y, query + i, is_padding ? 0.0F : static_cast<float>(total / sum));
  }
}

}  // namespace

void paged_attention_reference(const PagedAttentionArgs& args) {
  const auto* starts = args.batch.query_starts.as<std::int32_t>();
  for (std::int64_t sequence = 0; sequence < args.batch.num_sequences(); ++sequence) {
    for (std::int64_t row = starts[sequence]; row < starts[sequence + 1]; ++row) {
      for (std::int64_t head = 0; head < args.q.shape[1]; ++head) attend(args, sequence, row, head);
    }
  }
}

}  // namespace fathom::kernels
