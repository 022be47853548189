// The memory of an engine, in the order in which it is taken: weights, workspace, KV cache.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "footprint/device_shape.h"
#include "footprint/kv_cache.h"
#include "footprint/weights.h"
#include "spec/model_spec.h"

namespace fathom::footprint {

// What an engine takes, in bytes; nothing is taken later.
struct MemoryLedger {
  std::size_t weights_bytes = 0;  // mapped from the checkpoint, or copied
  std::size_t kv_bytes = 0;
  std::size_t workspace_bytes = 0;
  std::size_t logits_bytes = 0;
  std::size_t runtime_bytes = 0;  // what the process has beside these: vocabulary, stacks, buffers
  std::int64_t kv_tokens = 0;     // tokens that kv_bytes hold

  std::size_t total_bytes() const {
    return weights_bytes + kv_bytes + workspace_bytes + logits_bytes + runtime_bytes;
  }
};

// The sizes that an engine is asked for.
struct EngineSizes {
  std::int64_t max_context_tokens = 0;  // 0: the model's, or what the KV memory holds
  std::int64_t max_batch_size = 0;      // sequences that run at a time; 0: 16, on a GPU 256
  std::int64_t max_step_tokens = 0;     // rows of one step; 0: 256, on a GPU 2048
  std::int64_t max_draft_tokens = 0;
  std::int64_t kv_memory_bytes = 0;  // at most; 0: what default_kv_memory_bytes() says
  tensor::DType kv_dtype = tensor::DType::kBF16;
};

EngineSizes with_defaults(EngineSizes sizes, const DeviceShape& device);

// Rows of scored prompts in one step, beside those that are sampled.
inline constexpr std::int64_t kMaxPromptLogitRows = 32;

struct StepLimits {
  std::int64_t max_step_tokens = 0;
  std::int64_t max_sequences = 0;
  std::int64_t max_logit_rows = 0;
};

// Of sizes that have their defaults.
StepLimits step_limits(const EngineSizes& sizes);

// What the cache may have where `available_bytes` are left.
KvDemand kv_demand(const EngineSizes& sizes, const DeviceShape& device,
                   std::int64_t available_bytes);

// What an engine is made of.
struct EngineDemand {
  const spec::ModelSpec& spec;
  WeightFormat weights;
  tensor::DType compute_dtype = tensor::DType::kBF16;
  EngineSizes sizes;
  bool quantizes_rows = false;     // as DecoderDemand has it
  bool has_decode_row = false;     // one row runs as one kernel
  std::int64_t memory_bytes = 0;   // all that there is
  std::int64_t runtime_bytes = 0;  // of it, what is taken beside the arrays: an estimate
  std::int64_t sharded_vocab = 0;  // rows of embedding and head here; 0: all
};

// Workspace, logits, and what the host mirrors of them; each of the engine's buffers.
struct StepMemory {
  std::int64_t workspace_bytes = 0;
  std::int64_t logits_bytes = 0;
  std::int64_t host_bytes = 0;
};

// For contexts of at most max_context_tokens.
StepMemory step_memory(const EngineDemand& demand, const DeviceShape& device,
                       std::int64_t max_context_tokens);

std::int64_t weight_bytes(const EngineDemand& demand, const DeviceShape& device);

struct LedgerPlan {
  MemoryLedger ledger;
  std::int64_t max_context_tokens = 0;
  std::int64_t kept_bytes = 0;  // of a GPU: left alone, for recordings
};

// What Engine::create() will take. Errors are those of plan_kv(); kResourceExhausted says how much
// is missing for the weights and the workspace.
base::Result<LedgerPlan> plan_ledger(const EngineDemand& demand, const DeviceShape& device);

}  // namespace fathom::footprint
