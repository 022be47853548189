// Adds up what an engine allocates.
#include "footprint/ledger.h"

#include <algorithm>

#include "base/checked.h"
#include "footprint/decoder_arrays.h"
#include "footprint/scratch.h"
#include "footprint/step_arrays.h"

namespace fathom::footprint {

EngineSizes with_defaults(EngineSizes sizes, const DeviceShape& device) {
  if (sizes.max_batch_size == 0) sizes.max_batch_size = device.is_gpu ? 256 : 16;
  if (sizes.max_step_tokens == 0) sizes.max_step_tokens = device.is_gpu ? 2048 : 256;
  return sizes;
}

StepLimits step_limits(const EngineSizes& sizes) {
  const std::int64_t max_step_tokens = std::max(sizes.max_step_tokens, sizes.max_batch_size);
  const std::int64_t max_logit_rows =
      sizes.max_batch_size * (1 + sizes.max_draft_tokens) + kMaxPromptLogitRows;
  return {.max_step_tokens = max_step_tokens,
          .max_sequences = sizes.max_batch_size,
          .max_logit_rows = std::min(max_logit_rows, max_step_tokens)};
}

KvDemand kv_demand(const EngineSizes& sizes, const DeviceShape& device,
                   std::int64_t available_bytes) {
  return {.max_context_tokens = sizes.max_context_tokens,
          .max_batch_size = sizes.max_batch_size,
          .memory_bytes = sizes.kv_memory_bytes > 0
                              ? sizes.kv_memory_bytes
                              : default_kv_memory_bytes(device, available_bytes),
          .block_tokens = kBlockTokens,
          .dtype = sizes.kv_dtype};
}

StepMemory step_memory(const EngineDemand& demand, const DeviceShape& device,
                       std::int64_t max_context_tokens) {
  const spec::ModelSpec& spec = demand.spec;
  const StepLimits limits = step_limits(with_defaults(demand.sizes, device));
  const DecoderArrays decoder = decoder_arrays(spec,
                                               {.compute_dtype = demand.compute_dtype,
                                                .max_step_tokens = limits.max_step_tokens,
                                                .max_logit_rows = limits.max_logit_rows,
                                                .max_context_tokens = max_context_tokens,
                                                .quantizes_rows = demand.quantizes_rows},
                                               device);
  const StepArrays step =
      step_arrays({.max_step_tokens = limits.max_step_tokens,
                   .max_sequences = limits.max_sequences,
                   .max_logit_rows = limits.max_logit_rows,
                   .max_blocks = base::ceil_div(max_context_tokens, kBlockTokens)});
  const SamplerDemand sampler_demand{.max_rows = limits.max_logit_rows,
                                     .max_slots = limits.max_sequences,
                                     .max_step_tokens = limits.max_step_tokens,
                                     .vocab_rows = spec.vocab_rows};
  const SamplerArrays sampler = sampler_arrays(sampler_demand, device);
  const CountArrays counts = count_arrays(sampler_demand);
  const std::int64_t pool_bytes = limits.max_sequences * spec.hidden_size * 4;
  StepMemory memory;
  memory.logits_bytes = decoder.logits.num_bytes();
  memory.workspace_bytes = decoder.total_bytes - memory.logits_bytes + step.num_bytes() +
                           sampler.end + counts.end + pool_bytes;
  if (demand.has_decode_row) {
    memory.workspace_bytes += decode_row_arrays({.hidden_size = spec.hidden_size,
                                                 .intermediate_size = spec.intermediate_size,
                                                 .num_heads = spec.num_heads,
                                                 .head_dim = spec.head_dim,
                                                 .num_multiprocessors = device.num_multiprocessors})
                                  .end;
  }
  // Steps and counts are kept twice, so that one can be filled while the other is on its way.
  memory.host_bytes = 2 * step.num_bytes() + sampler.mirrored_end + 2 * counts.end + pool_bytes +
                      spec.hidden_size * 4;
  return memory;
}

std::int64_t weight_bytes(const EngineDemand& demand, const DeviceShape& device) {
  const MatrixFormat format = demand.weights.matrices;
  // The CPU reads wide ones where the checkpoint is mapped.
  if (!device.is_gpu && (format == MatrixFormat::kBF16 || format == MatrixFormat::kF32)) {
    return stored_weight_bytes(demand.spec, demand.weights.others);
  }
  spec::ModelSpec spec = demand.spec;
  if (demand.sharded_vocab > 0) spec.vocab_rows = demand.sharded_vocab;
  return packed_weight_bytes(spec, demand.weights);
}

base::Result<LedgerPlan> plan_ledger(const EngineDemand& demand, const DeviceShape& device) {
  const EngineSizes sizes = with_defaults(demand.sizes, device);
  const std::int64_t weights = weight_bytes(demand, device);
  const std::int64_t before = demand.memory_bytes - demand.runtime_bytes - weights;
  if (before <= 0) {
    return base::fail(
        base::ErrorCode::kResourceExhausted, "memory",
        "the weights take {} MiB and the runtime {} MiB of {} MiB: {} MiB are missing",
        weights >> 20, demand.runtime_bytes >> 20, demand.memory_bytes >> 20, (-before >> 20) + 1);
  }
  // The cache gets what the rest leaves; until the rest is there, that is at most what is free.
  const KvPlan most = TRY(plan_kv(demand.spec, kv_demand(sizes, device, before)));
  const StepMemory steps = step_memory(demand, device, most.max_context_tokens);
  const std::int64_t available = before - steps.workspace_bytes - steps.logits_bytes;
  if (available <= 0) {
    return base::fail(base::ErrorCode::kResourceExhausted, "memory",
                      "the workspace takes {} MiB of {} MiB that the weights leave",
                      (steps.workspace_bytes + steps.logits_bytes) >> 20, before >> 20);
  }
  const KvPlan kv = TRY(plan_kv(demand.spec, kv_demand(sizes, device, available)));
  const auto bytes = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  LedgerPlan plan;
  plan.ledger = {.weights_bytes = bytes(weights),
                 .kv_bytes = bytes(kv_block_bytes(demand.spec, kv.shape) * kv.shape.num_blocks),
                 .workspace_bytes = bytes(steps.workspace_bytes),
                 .logits_bytes = bytes(steps.logits_bytes),
                 .runtime_bytes = bytes(demand.runtime_bytes),
                 .kv_tokens = kv.shape.num_blocks * kBlockTokens};
  plan.max_context_tokens = std::min(kv.max_context_tokens, most.max_context_tokens);
  plan.kept_bytes = device.is_gpu ? kept_bytes(available) : 0;
  return plan;
}

}  // namespace fathom::footprint
