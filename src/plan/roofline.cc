// The formulas.
#include "plan/roofline.h"

#include <algorithm>

#include "base/checked.h"
#include "footprint/kv_cache.h"
#include "footprint/ledger.h"
#include "footprint/work.h"
#include "plan/split.h"

namespace fathom::plan {
namespace {

// Kernels of a layer (norms, products, rotary, attention, gate) and of a step beside its layers.
constexpr double kLayerOperations = 9;
constexpr double kStepOperations = 12;

// On sm_90 all layers of a step of one sequence are one operation (kernels/decode_row), unless the
// cache has scales.
constexpr int kFirstWithDecodeRow = 90;

double operations_of(const Placement& placement, std::int64_t batch) {
  const bool is_one_row = placement.device.architecture >= kFirstWithDecodeRow && batch == 1 &&
                          placement.ranks == 1 && placement.kv != KvType::kInt8;
  const auto layers = static_cast<double>(placement.spec.num_layers);
  return kStepOperations + (is_one_row ? 1 : layers * kLayerOperations);
}

bool is_narrow(Weights weights) { return weights != Weights::kFp16; }
// int4 weights are multiplied as two-byte numbers.
bool multiplies_narrow(Weights weights) {
  return weights == Weights::kFp8 || weights == Weights::kInt8;
}

// The parts of the largest rank.
struct Part {
  spec::ModelSpec spec;
  double weight_bytes = 0;
  double kv_bytes_per_token = 0;
  Range memory_bytes_per_s;     // weights
  Range kv_memory_bytes_per_s;  // caches
  Range flop_per_s;
  Range launch_seconds;
};

Part part_of(const Placement& placement) {
  const Efficiency shares = efficiency_of(placement.device);
  Part part;
  part.spec = largest_rank(placement.spec, placement.ranks, placement.weights);
  spec::ModelSpec counted = part.spec;
  counted.vocab_rows = rank_vocab_rows(placement.spec, placement.ranks);
  part.weight_bytes = static_cast<double>(
      footprint::read_weight_bytes(counted, weight_format(placement.weights, placement.device)));
  part.spec.vocab_rows = counted.vocab_rows;
  part.kv_bytes_per_token = static_cast<double>(footprint::kv_block_bytes(
                                part.spec, {.dtype = dtype_of(placement.kv, placement.device)})) /
                            footprint::kBlockTokens;
  const double bandwidth = placement.device.bandwidth_gb_per_s.value * 1e9;
  part.memory_bytes_per_s =
      (is_narrow(placement.weights) ? shares.memory_narrow : shares.memory_wide) * bandwidth;
  part.kv_memory_bytes_per_s = shares.memory_wide * bandwidth;
  part.flop_per_s =
      (multiplies_narrow(placement.weights) ? shares.compute_narrow : shares.compute_wide) *
      peak_flop_per_s(placement.device, placement.weights);
  part.launch_seconds = shares.launch_us * 1e-6;
  return part;
}

Range greater(const Range& a, const Range& b) {
  return {std::max(a.low, b.low), std::max(a.likely, b.likely), std::max(a.high, b.high)};
}

Range fixed(double seconds) { return {seconds, seconds, seconds}; }

}  // namespace

Efficiency efficiency_of(const Accelerator& device) {
  return device.efficiency ? *device.efficiency : default_efficiency(device.is_cpu);
}

DecodeTime decode_time(const Placement& placement, std::int64_t batch,
                       std::int64_t context_tokens) {
  const Part part = part_of(placement);
  const auto sequences = static_cast<double>(batch);
  const double layers = static_cast<double>(part.spec.num_layers);
  DecodeTime time;
  time.weight_bytes = part.weight_bytes;
  time.kv_bytes = sequences * static_cast<double>(context_tokens) * part.kv_bytes_per_token;
  time.flop = sequences * (footprint::layers_flop_per_token(part.spec) +
                           footprint::head_flop_per_token(part.spec));
  time.operations = operations_of(placement, batch);
  time.all_reduces = placement.ranks > 1 ? 2 * layers : 0;
  time.all_reduce_seconds =
      all_reduce_seconds(placement.device, placement.ranks,
                         sequences * static_cast<double>(placement.spec.hidden_size) * 2);
  time.weights_seconds = time.weight_bytes / part.memory_bytes_per_s;
  time.products_seconds = time.flop / part.flop_per_s;
  time.kv_seconds = time.kv_bytes / part.kv_memory_bytes_per_s;
  time.launch_seconds = part.launch_seconds * time.operations;
  const Range read_and_multiplied = placement.device.is_cpu
                                        ? time.weights_seconds + time.products_seconds
                                        : greater(time.weights_seconds, time.products_seconds);
  time.total_seconds = read_and_multiplied + time.kv_seconds + time.launch_seconds +
                       fixed(time.all_reduces * time.all_reduce_seconds);
  return time;
}

PrefillTime prefill_time(const Placement& placement, std::int64_t num_tokens) {
  const Part part = part_of(placement);
  const std::int64_t step_tokens =
      footprint::with_defaults({}, {.is_gpu = !placement.device.is_cpu}).max_step_tokens;
  const double layers = static_cast<double>(part.spec.num_layers);
  PrefillTime time;
  time.flop = footprint::prefill_flop(part.spec, num_tokens);
  time.num_steps = base::ceil_div(num_tokens, step_tokens);
  const auto steps = static_cast<double>(time.num_steps);
  time.products_seconds = time.flop / part.flop_per_s;
  time.weights_seconds = steps * part.weight_bytes / part.memory_bytes_per_s;
  const double row_bytes = static_cast<double>(placement.spec.hidden_size) * 2;
  const double bytes_each = static_cast<double>(num_tokens) / steps * row_bytes;
  time.all_reduce_seconds =
      placement.ranks > 1
          ? 2 * layers * steps * all_reduce_seconds(placement.device, placement.ranks, bytes_each)
          : 0;
  const Range launches =
      part.launch_seconds * (steps * (layers * kLayerOperations + kStepOperations));
  time.total_seconds = greater(time.products_seconds, time.weights_seconds) + launches +
                       fixed(time.all_reduce_seconds);
  return time;
}

}  // namespace fathom::plan
