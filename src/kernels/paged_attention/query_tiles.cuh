// Tiles of query vectors of the sequences with many rows, found on the device.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/paged_attention/attention_cuda.h"
#include "kernels/paged_attention/attention_tiles.cuh"

namespace fathom::kernels::cuda {

// Query tiles of a sequence; 0 if it is not this kernel's.
template <int kTileQueries>
__device__ int query_tiles_of(const AttentionTask& task, int sequence) {
  const int rows = task.query_starts[sequence + 1] - task.query_starts[sequence];
  const int queries = rows * group_of(task);
  if (queries <= kDecodeQueries && !task.batch_invariant) return 0;
  return (queries + kTileQueries - 1) / kTileQueries;
}

struct QueryTile {
  int sequence;
  int tile;  // of the sequence; negative: there is none
};

// The tiles of all sequences, the last first: they see the longest contexts.
template <int kTileQueries>
__device__ QueryTile find_query_tile(const AttentionTask& task, int index) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const auto num_sequences = static_cast<int>(task.num_sequences);
  for (int end = num_sequences; end > 0; end -= kWarpThreads) {
    const int sequence = end - 1 - lane;
    const int own = sequence >= 0 ? query_tiles_of<kTileQueries>(task, sequence) : 0;
    int total = own;
    for (int offset = 1; offset < kWarpThreads; offset *= 2) {
      const int below = __shfl_up_sync(0xFFFFFFFFU, total, offset);
      if (lane >= offset) total += below;
    }
    const unsigned past = __ballot_sync(0xFFFFFFFFU, total > index);
    if (past != 0) {
      const int found = __ffs(past) - 1;
      return {end - 1 - found, __shfl_sync(0xFFFFFFFFU, total, found) - 1 - index};
    }
    index -= __shfl_sync(0xFFFFFFFFU, total, kWarpThreads - 1);
  }
  return {0, -1};
}

// What a block works on.
struct Work {
  const int32_t* table;
  int first_row;    // of the sequence, in the batch
  int first_query;  // of the tile, in the sequence
  int num_queries;  // of the tile
  int kv_head;
  int group;
  int context_len;
};

__device__ inline int64_t query_offset(const AttentionTask& task, const Work& work, int i) {
  const int query = work.first_query + i;
  return (static_cast<int64_t>(work.first_row + query / work.group) * task.num_heads +
          work.kv_head * work.group + query % work.group) *
         task.head_dim;
}

// How many keys query i of the tile sees; rows are in order of position.
__device__ inline int visible(const AttentionTask& task, const Work& work, int i) {
  if (i < 0 || i >= work.num_queries) return 0;
  const int row = work.first_row + (work.first_query + i) / work.group;
  return min(task.positions[row] + 1, work.context_len);
}

template <int kTileQueries>
__device__ Work work_of(const AttentionTask& task, const QueryTile& tile, int kv_head) {
  Work work{.table = task.block_tables + tile.sequence * task.max_blocks,
            .first_row = task.query_starts[tile.sequence],
            .first_query = tile.tile * kTileQueries,
            .num_queries = 0,
            .kv_head = kv_head,
            .group = group_of(task),
            .context_len = task.context_lens[tile.sequence]};
  const int num_rows = task.query_starts[tile.sequence + 1] - work.first_row;
  work.num_queries = min(kTileQueries, num_rows * work.group - work.first_query);
  return work;
}

// At least as many as all sequences have, from what the host knows.
inline unsigned max_query_tiles(const AttentionTask& task, int64_t tile_queries) {
  const int64_t group = task.num_heads / task.num_kv_heads;
  const int64_t of_a_sequence = (task.max_query_rows * group + tile_queries - 1) / tile_queries;
  const int64_t of_all = task.num_tokens * group / tile_queries + task.num_sequences;
  const int64_t by_sequences = of_a_sequence * task.num_sequences;
  return static_cast<unsigned>(of_all < by_sequences ? of_all : by_sequences);
}

}  // namespace fathom::kernels::cuda
