// Blocks of the KV cache from the flags and the model.
#include "footprint/kv_cache.h"

#include <algorithm>

#include "base/checked.h"

namespace fathom::footprint {

using base::ErrorCode;
using base::fail;
using tensor::DType;

namespace {

constexpr std::int64_t kSharedKvMemoryBytes = std::int64_t{4} << 30;
constexpr std::int64_t kKeptBytes = std::int64_t{512} << 20;

}  // namespace

std::int64_t kv_block_bytes(const spec::ModelSpec& spec, const KvCacheShape& shape) {
  const std::int64_t num_scales =
      shape.dtype == DType::kI8 ? 2 * spec.num_layers * spec.num_kv_heads : 0;
  const std::int64_t token_bytes =
      spec.kv_values_per_token() * static_cast<std::int64_t>(tensor::size_bytes(shape.dtype)) +
      num_scales * static_cast<std::int64_t>(sizeof(float));
  return token_bytes * shape.block_tokens;
}

std::int64_t kept_bytes(std::int64_t available_bytes) {
  return std::min(kKeptBytes, available_bytes / 4);
}

std::int64_t default_kv_memory_bytes(const DeviceShape& device, std::int64_t available_bytes) {
  return device.is_gpu ? available_bytes - kept_bytes(available_bytes) : kSharedKvMemoryBytes;
}

base::Result<KvPlan> plan_kv(const spec::ModelSpec& spec, const KvDemand& demand) {
  KvPlan plan;
  plan.shape.block_tokens = demand.block_tokens;
  plan.shape.dtype = demand.dtype;
  const std::int64_t block_bytes = kv_block_bytes(spec, plan.shape);
  const std::int64_t wanted_context =
      demand.max_context_tokens > 0 ? demand.max_context_tokens : spec.max_context_tokens;
  if (wanted_context > spec.max_context_tokens) {
    return fail(ErrorCode::kInvalidArgument, "--max-context",
                "{} tokens asked for, but the model was made for at most {}", wanted_context,
                spec.max_context_tokens);
  }
  const std::int64_t blocks_per_sequence = base::ceil_div(wanted_context, demand.block_tokens);
  plan.shape.num_blocks =
      std::min(blocks_per_sequence * demand.max_batch_size, demand.memory_bytes / block_bytes);
  if (plan.shape.num_blocks < blocks_per_sequence && demand.max_context_tokens > 0) {
    return fail(ErrorCode::kInvalidArgument, "--max-context",
                "one sequence of {} tokens needs {} MiB of KV cache, but it has {} MiB; raise "
                "--kv-memory or lower --max-context",
                wanted_context, (blocks_per_sequence * block_bytes) >> 20,
                demand.memory_bytes >> 20);
  }
  if (plan.shape.num_blocks < 1) {
    return fail(ErrorCode::kInvalidArgument, "--kv-memory",
                "{} bytes do not hold one block of {} bytes; raise it", demand.memory_bytes,
                block_bytes);
  }
  plan.max_context_tokens = std::min(wanted_context, plan.shape.num_blocks * demand.block_tokens);
  return plan;
}

}  // namespace fathom::footprint
