// The memory of one device of a configuration, by the arithmetic that an engine allocates by.
#pragma once

#include <cstdint>

#include "plan/roofline.h"

namespace fathom::plan {

// In bytes, of one device. What is free is negative where memory is missing.
struct DeviceLedger {
  std::int64_t memory_bytes = 0;
  std::int64_t weights_bytes = 0;
  std::int64_t kv_bytes_per_token = 0;
  std::int64_t kv_bytes = 0;  // of the batch at its context
  std::int64_t workspace_bytes = 0;
  std::int64_t logits_bytes = 0;
  std::int64_t runtime_bytes = 0;  // context, code, collectives: an estimate
  std::int64_t kept_bytes = 0;     // of a GPU: left for recorded steps
  std::int64_t free_bytes = 0;
  std::int64_t host_bytes = 0;  // what the host mirrors of it, of its own memory

  bool fits() const { return free_bytes >= 0; }
};

// With room for `batch` sequences of `context_tokens`, as `fathom serve` takes it with
// --max-batch-size and --max-context.
DeviceLedger device_ledger(const Placement& placement, std::int64_t batch,
                           std::int64_t context_tokens);

// The most sequences that `fathom serve` may be told to run at a time.
inline constexpr std::int64_t kMaxBatch = 1024;

// The largest that fits; 0: none does.
std::int64_t max_batch(const Placement& placement, std::int64_t context_tokens);
std::int64_t max_context(const Placement& placement, std::int64_t batch);

}  // namespace fathom::plan
