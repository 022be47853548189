// Checks and dispatch.
#include "kernels/paged_attention/paged_attention.h"

#include "footprint/scratch.h"
#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/device_shape.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void paged_attention(const PagedAttentionArgs& args, device::Stream& stream) {
  const std::int64_t num_tokens = args.batch.num_tokens();
  const std::int64_t num_sequences = args.batch.num_sequences();
  const std::int64_t num_heads = args.q.shape[1];
  const std::int64_t dim = args.q.shape[2];
  check_shape(args.q, "attention q", {num_tokens, num_heads, dim});
  check_shape(args.y, "attention y", args.q.shape);
  check_shape(args.batch.query_starts, "attention query_starts", {num_sequences + 1});
  check_shape(args.batch.context_lens, "attention context_lens", {num_sequences});
  CHECK(args.q.dtype == args.y.dtype && args.cache.head_dim() == dim && dim % 2 == 0 &&
            dim <= 512 && args.cache.block_tokens() <= 64 &&
            num_heads % args.cache.num_kv_heads() == 0,
        "attention of {} over a cache of {}", args.q.shape.text(), args.cache.keys.shape.text());
  check_scales(args.cache);
  AttentionTask task{
      .q = args.q.data,
      .keys = args.cache.keys.data,
      .values = args.cache.values.data,
      .key_scales = args.cache.has_scales() ? args.cache.key_scales.as<float>() : nullptr,
      .value_scales = args.cache.has_scales() ? args.cache.value_scales.as<float>() : nullptr,
      .positions = args.batch.positions.as<std::int32_t>(),
      .query_starts = args.batch.query_starts.as<std::int32_t>(),
      .context_lens = args.batch.context_lens.as<std::int32_t>(),
      .block_tables = args.batch.block_tables.as<std::int32_t>(),
      .y = args.y.data,
      .num_tokens = num_tokens,
      .num_sequences = num_sequences,
      .max_query_rows = args.batch.max_query_rows > 0 ? args.batch.max_query_rows : num_tokens,
      .max_blocks = args.batch.block_tables.shape[1],
      .num_heads = num_heads,
      .num_kv_heads = args.cache.num_kv_heads(),
      .head_dim = dim,
      .block_tokens = args.cache.block_tokens(),
      .scale = args.scale,
      .batch_invariant = args.batch_invariant};
  if (on_cuda(stream)) {
    const std::int64_t block_tokens = args.cache.block_tokens();
    CHECK((block_tokens & (block_tokens - 1)) == 0, "blocks of {} tokens", block_tokens);
    const std::int64_t floats =
        paged_attention_workspace_floats(num_tokens, num_heads, dim, stream.device());
    CHECK(args.workspace.shape.num_elements() >= floats, "attention workspace of {} floats, not {}",
          args.workspace.shape.num_elements(), floats);
    task.workspace = args.workspace.as<float>();
    task.activation_type =
        element_of(args.q, "attention q", {DType::kF32, DType::kBF16, DType::kF16});
    task.cache_type =
        element_of(args.cache.keys, "KV cache",
                   {DType::kF32, DType::kBF16, DType::kF16, DType::kI8, DType::kF8E4M3});
    return cuda_kernels().paged_attention(task, cuda_queue(stream));
  }
  task.activation_type = element_of(args.q, "attention q", {DType::kF32, DType::kBF16});
  task.cache_type =
      element_of(args.cache.keys, "KV cache", {DType::kF32, DType::kBF16, DType::kI8});
  cpu_kernels(stream).paged_attention(task, parallel_for(stream));
}

std::int64_t paged_attention_workspace_floats(std::int64_t max_tokens, std::int64_t num_heads,
                                              std::int64_t head_dim, const device::Device& device) {
  if (max_tokens == 0 || num_heads == 0) return 0;
  return footprint::attention_scratch_floats(device_shape(device), head_dim);
}

}  // namespace fathom::kernels
