// Bytes of the KV cache, and how many blocks of it a memory holds.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "footprint/device_shape.h"
#include "spec/model_spec.h"
#include "tensor/dtype.h"

namespace fathom::footprint {

// Tokens of a block, in every cache that the engine makes.
inline constexpr std::int64_t kBlockTokens = 16;

struct KvCacheShape {
  std::int64_t num_blocks = 0;
  std::int64_t block_tokens = kBlockTokens;
  tensor::DType dtype = tensor::DType::kBF16;  // that the device supports
};

// Bytes of one block over all layers, the scales of an i8 cache included.
std::int64_t kv_block_bytes(const spec::ModelSpec& spec, const KvCacheShape& shape);

struct KvDemand {
  std::int64_t max_context_tokens = 0;  // 0: the model's, or what the memory holds
  std::int64_t max_batch_size = 0;
  // The most it may take: what the batch at full context needs, if that is less.
  std::int64_t memory_bytes = 0;
  std::int64_t block_tokens = kBlockTokens;
  tensor::DType dtype = tensor::DType::kBF16;
};

struct KvPlan {
  KvCacheShape shape;
  std::int64_t max_context_tokens = 0;  // what one sequence may have; the cache holds it
};

// kInvalidArgument names the flag to change.
base::Result<KvPlan> plan_kv(const spec::ModelSpec& spec, const KvDemand& demand);

// Of a GPU's memory that is available, what is kept for recordings of the batch sizes and what the
// driver takes for them. A small GPU, or a small limit, keeps less.
std::int64_t kept_bytes(std::int64_t available_bytes);

// What the KV cache may take where the user does not say: 4 GiB of memory that the host shares; of
// a GPU's own memory all but what is kept.
std::int64_t default_kv_memory_bytes(const DeviceShape& device, std::int64_t available_bytes);

}  // namespace fathom::footprint
