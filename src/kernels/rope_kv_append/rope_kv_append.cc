// Checks and dispatch.
#include "kernels/rope_kv_append/rope_kv_append.h"

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

void rope_kv_append(const RopeKvAppendArgs& args, device::Stream& stream) {
  const std::int64_t num_tokens = args.batch.num_tokens();
  const std::int64_t num_heads = args.q.shape[1];
  const std::int64_t dim = args.q.shape[2];
  const std::int64_t num_kv_heads = args.cache.num_kv_heads();
  check_shape(args.qkv, "rope qkv", {num_tokens, (num_heads + 2 * num_kv_heads) * dim});
  check_shape(args.q, "rope q", {num_tokens, num_heads, dim});
  check_shape(args.cos_sin, "rope cos_sin", {args.cos_sin.shape[0], 2, dim / 2});
  CHECK(args.cache.head_dim() == dim && args.qkv.dtype == args.q.dtype, "rope arrays disagree");
  check_scales(args.cache);
  CHECK(!args.cache.has_scales() || dim <= 512, "an i8 cache with heads of {}", dim);
  RopeTask task{
      .qkv = args.qkv.data,
      .cos_sin = args.cos_sin.as<float>(),
      .positions = args.batch.positions.as<std::int32_t>(),
      .slots = args.batch.slots.as<std::int32_t>(),
      .q = args.q.data,
      .keys = args.cache.keys.data,
      .values = args.cache.values.data,
      .key_scales = args.cache.has_scales() ? args.cache.key_scales.as<float>() : nullptr,
      .value_scales = args.cache.has_scales() ? args.cache.value_scales.as<float>() : nullptr,
      .num_tokens = num_tokens,
      .num_heads = num_heads,
      .num_kv_heads = num_kv_heads,
      .head_dim = dim,
      .block_tokens = args.cache.block_tokens()};
  if (on_cuda(stream)) {
    task.activation_type = element_of(args.q, "rope q", {DType::kF32, DType::kBF16, DType::kF16});
    task.cache_type =
        element_of(args.cache.keys, "KV cache",
                   {DType::kF32, DType::kBF16, DType::kF16, DType::kI8, DType::kF8E4M3});
    return cuda_kernels().rope_kv_append(task, cuda_queue(stream));
  }
  task.activation_type = element_of(args.q, "rope q", {DType::kF32, DType::kBF16});
  task.cache_type =
      element_of(args.cache.keys, "KV cache", {DType::kF32, DType::kBF16, DType::kI8});
  cpu_kernels(stream).rope_kv_append(task, parallel_for(stream));
}

}  // namespace fathom::kernels
