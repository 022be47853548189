// Which of the attention kernels a batch needs.
#include "kernels/paged_attention/attention_cuda.h"

namespace fathom::kernels::cuda {

bool has_tiles(const AttentionTask& task, const CudaQueue& queue) {
  if (task.head_dim != 64 && task.head_dim != 128) return false;
  if (task.activation_type == Element::kF32) return false;
  switch (task.cache_type) {
    case Element::kF8E4M3:
    case Element::kI8:
      return true;
    case Element::kBF16:
      return task.activation_type == Element::kBF16 && queue.architecture >= 80;
    default:
      return task.activation_type == task.cache_type;
  }
}

void paged_attention(const AttentionTask& task, const CudaQueue& queue) {
  if (!has_tiles(task, queue)) return generic_attention(task, queue);
  const int64_t group = task.num_heads / task.num_kv_heads;
  if (!task.batch_invariant) decode_attention(task, queue);
  if (task.batch_invariant || task.max_query_rows * group > kDecodeQueries) {
    prefill_attention(task, queue);
  }
}

}  // namespace fathom::kernels::cuda
