// Asks footprint for each part and looks for what fits.
#include "plan/memory.h"

#include "base/checked.h"
#include "footprint/ledger.h"
#include "plan/split.h"

namespace fathom::plan {
namespace {

// A CUDA context, code and library handles: planners of other engines measured 300 to 650 MiB.
constexpr std::int64_t kGpuRuntimeBytes = std::int64_t{600} << 20;
// A GPU that shares the host's memory leaves some to the host.
constexpr std::int64_t kSharedHostBytes = std::int64_t{3} << 30;
// The process, measured with vocabularies of 4096 and 102400 tokens: what it has in any case (2 MiB
// without a CUDA back end, 2.5 with one), and for each token its text, merges and place in
// grammars' tables.
constexpr std::int64_t kProcessBytes = std::int64_t{2304} << 10;
constexpr std::int64_t kVocabularyTokenBytes = 235;

// Of a configuration file's model that nobody can run.
constexpr std::int64_t kMoreThanAnyMemory = std::int64_t{1} << 61;

footprint::DeviceShape shape_of(const Accelerator& device) {
  return {.is_gpu = !device.is_cpu,
          .num_multiprocessors = static_cast<int>(device.multiprocessors.value)};
}

// The largest of 1..limit for which `fits` holds, which holds for every smaller one too; or 0.
template <typename F>
std::int64_t largest(std::int64_t limit, F&& fits) {
  std::int64_t low = 0;
  std::int64_t high = limit + 1;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

DeviceLedger device_ledger(const Placement& placement, std::int64_t batch,
                           std::int64_t context_tokens) {
  const Accelerator& device = placement.device;
  const footprint::DeviceShape shape = shape_of(device);
  const spec::ModelSpec spec = largest_rank(placement.spec, placement.ranks, placement.weights);
  footprint::EngineDemand demand{.spec = spec,
                                 .weights = weight_format(placement.weights, device),
                                 .compute_dtype = compute_dtype(device),
                                 .sizes = {.max_context_tokens = context_tokens,
                                           .max_batch_size = batch,
                                           .kv_dtype = dtype_of(placement.kv, device)}};
  demand.quantizes_rows = placement.weights == Weights::kFp8;
  demand.has_decode_row = device.architecture >= 90 && placement.ranks == 1;
  demand.sharded_vocab = rank_vocab_rows(placement.spec, placement.ranks);
  const footprint::StepMemory steps = footprint::step_memory(demand, shape, context_tokens);
  const std::int64_t block_bytes =
      footprint::kv_block_bytes(spec, {.dtype = demand.sizes.kv_dtype});

  DeviceLedger ledger;
  ledger.memory_bytes = static_cast<std::int64_t>(device.memory_gib.value * (1 << 30));
  ledger.weights_bytes = footprint::weight_bytes(demand, shape);
  ledger.kv_bytes_per_token = block_bytes / footprint::kBlockTokens;
  ledger.kv_bytes =
      base::checked_mul(batch * base::ceil_div(context_tokens, footprint::kBlockTokens),
                        block_bytes)
          .value_or(kMoreThanAnyMemory);
  ledger.workspace_bytes = steps.workspace_bytes;
  ledger.logits_bytes = steps.logits_bytes;
  ledger.host_bytes =
      kProcessBytes + placement.spec.vocab_rows * kVocabularyTokenBytes + steps.host_bytes;
  if (device.is_cpu) {
    ledger.runtime_bytes = ledger.host_bytes;
  } else {
    ledger.runtime_bytes = kGpuRuntimeBytes + collective_bytes(placement.ranks) +
                           (device.shares_host_memory ? kSharedHostBytes + ledger.host_bytes : 0);
  }
  const std::int64_t available = ledger.memory_bytes - ledger.weights_bytes -
                                 ledger.workspace_bytes - ledger.logits_bytes -
                                 ledger.runtime_bytes;
  if (!device.is_cpu && available > 0) ledger.kept_bytes = footprint::kept_bytes(available);
  ledger.free_bytes = available - ledger.kept_bytes - ledger.kv_bytes;
  return ledger;
}

std::int64_t max_batch(const Placement& placement, std::int64_t context_tokens) {
  return largest(kMaxBatch, [&](std::int64_t batch) {
    return device_ledger(placement, batch, context_tokens).fits();
  });
}

std::int64_t max_context(const Placement& placement, std::int64_t batch) {
  return largest(placement.spec.max_context_tokens, [&](std::int64_t context) {
    return device_ledger(placement, batch, context).fits();
  });
}

}  // namespace fathom::plan
