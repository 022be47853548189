// What the engine will take of the device's memory, and how long a context that allows.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "device/device.h"
#include "model/kv_cache.h"
#include "spec/model_spec.h"

namespace fathom::engine {

// Tokens of a block, in every cache that the engine makes.
inline constexpr std::int64_t kBlockTokens = 16;

struct KvDemand {
  std::int64_t max_context_tokens = 0;  // 0: the model's, or what the memory holds
  std::int64_t max_batch_size = 0;
  // The most it may take: what the batch at full context needs, if that is less.
  std::int64_t memory_bytes = 0;
  std::int64_t block_tokens = kBlockTokens;
  tensor::DType dtype = tensor::DType::kBF16;
};

struct KvPlan {
  model::KvCacheShape shape;
  std::int64_t max_context_tokens = 0;  // what one sequence may have; the cache holds it
};

// What the KV cache may take where the user does not say: 4 GiB of memory that the host shares; of
// a GPU's own memory all but what is kept for recordings and the runtime's growth.
std::int64_t default_kv_memory_bytes(const device::Device& device);

// kInvalidArgument names the flag to change.
base::Result<KvPlan> plan_kv(const spec::ModelSpec& spec, const KvDemand& demand);

// What Engine::create() took, in bytes; nothing is taken later.
struct MemoryLedger {
  std::size_t weights_bytes = 0;  // mapped from the checkpoint, or copied
  std::size_t kv_bytes = 0;
  std::size_t workspace_bytes = 0;
  std::size_t logits_bytes = 0;
  std::size_t runtime_bytes = 0;  // what the process has beside these: vocabulary, stacks, buffers
  std::int64_t kv_tokens = 0;     // tokens that kv_bytes hold
};

// Private memory of this process in bytes, without files that it maps; 0 if the system does not
// say.
std::size_t private_memory_bytes();

}  // namespace fathom::engine
