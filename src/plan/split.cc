// Cuts a model's dimensions, and counts what the parts tell each other.
#include "plan/split.h"

#include <algorithm>

#include "base/checked.h"
#include "footprint/weights.h"

namespace fathom::plan {
namespace {

// Of a one-shot all-reduce over NVLink; through host memory it is longer.
constexpr double kLinkSeconds = 10e-6;
constexpr double kHostSeconds = 25e-6;
// NCCL's buffers, as a planner of other engines has them (aiconfigurator).
constexpr std::int64_t kTwoRankBytes = std::int64_t{342} << 20;
constexpr std::int64_t kManyRankBytes = std::int64_t{392} << 20;

}  // namespace

std::string_view name(Split split) { return split == Split::kReplica ? "replica" : "tensor"; }

std::vector<std::int64_t> share(std::int64_t total, int ranks) {
  std::vector<std::int64_t> parts;
  for (int rank = 0; rank < ranks; ++rank) {
    parts.push_back(total / ranks + (rank < total % ranks ? 1 : 0));
  }
  return parts;
}

spec::ModelSpec largest_rank(const spec::ModelSpec& spec, int ranks, Weights weights) {
  if (ranks == 1) return spec;
  spec::ModelSpec part = spec;
  part.num_heads = share(spec.num_heads, ranks).front();
  part.num_kv_heads = share(spec.num_kv_heads, ranks).front();
  const std::int64_t unit = weights == Weights::kInt4 ? footprint::kGroupInputs : 1;
  const std::int64_t units = base::ceil_div(spec.intermediate_size, unit);
  part.intermediate_size = std::min(share(units, ranks).front() * unit, spec.intermediate_size);
  return part;
}

std::int64_t rank_vocab_rows(const spec::ModelSpec& spec, int ranks) {
  return base::ceil_div<std::int64_t>(spec.vocab_rows, ranks);
}

double all_reduce_seconds(const Accelerator& device, int ranks, double bytes) {
  if (ranks == 1) return 0;
  const bool is_linked = device.link_gb_per_s && ranks <= device.link_gpus;
  // The link's figure counts both directions.
  const double bytes_per_s =
      is_linked ? device.link_gb_per_s->value * 1e9 / 2 : device.host_link_gb_per_s.value * 1e9;
  const double share_sent = 2.0 * (ranks - 1) / ranks;
  return (is_linked ? kLinkSeconds : kHostSeconds) + share_sent * bytes / bytes_per_s;
}

std::int64_t collective_bytes(int ranks) {
  if (ranks == 1) return 0;
  return ranks == 2 ? kTwoRankBytes : kManyRankBytes;
}

}  // namespace fathom::plan
