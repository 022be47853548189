// Blocks of the KV cache from the flags and the model.
#include "engine/memory_plan.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/checked.h"

namespace fathom::engine {

using base::ErrorCode;
using base::fail;

namespace {

constexpr std::int64_t kSharedKvMemoryBytes = std::int64_t{4} << 30;
// Recordings of the batch sizes, and what the driver takes for them.
constexpr std::int64_t kKeptBytes = std::int64_t{512} << 20;

}  // namespace

std::int64_t default_kv_memory_bytes(const device::Device& device) {
  if (device.reads_host_memory()) return kSharedKvMemoryBytes;
  const auto available = static_cast<std::int64_t>(device.memory().available_bytes);
  // A small GPU, or a small limit, keeps less.
  return available - std::min(kKeptBytes, available / 4);
}

base::Result<KvPlan> plan_kv(const spec::ModelSpec& spec, const KvDemand& demand) {
  KvPlan plan;
  plan.shape.block_tokens = demand.block_tokens;
  plan.shape.dtype = demand.dtype;
  const std::int64_t block_bytes = model::kv_block_bytes(spec, plan.shape);
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

std::size_t private_memory_bytes() {
  std::ifstream file("/proc/self/status");
  std::string line;
  std::size_t total = 0;
  while (std::getline(file, line)) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "RssAnon: %llu kB", &kibibytes) == 1) {
      total += static_cast<std::size_t>(kibibytes) << 10;
    }
  }
  return total;
}

}  // namespace fathom::engine
