// Finds for every choice the batch that the load needs, and holds the result against the target.
#include "plan/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "plan/advice.h"

namespace fathom::plan {
namespace {

constexpr int kTensorCounts[] = {2, 4, 8};
constexpr int kReplicaCounts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
// Prompts may take this share of an instance's time; beyond, queues grow without bound.
constexpr double kMaxUtilization = 0.85;

// The value of each of a range's three cases.
double at(const Range& range, int which) {
  if (which == 0) return range.low;
  return which == 1 ? range.likely : range.high;
}

struct Case {
  double ttft = 0;
  double tpot = 0;
  double capacity = 0;
  double utilization = 0;
};

// One case, with these times of a step and of a prompt.
Case steady_case(double step, double prompt, const Demand& demand, std::int64_t batch,
                 double requests_per_s) {
  const auto sequences = static_cast<double>(batch);
  const auto output = static_cast<double>(demand.output_tokens);
  Case made;
  // While a sequence gets a token, every other one pays its share of a prompt.
  const double cycle = step + sequences * prompt / output;
  made.capacity = sequences / (output * cycle);
  made.utilization = std::min(requests_per_s * prompt, 0.999);
  made.tpot = requests_per_s > 0 ? step / (1 - made.utilization) : step;
  const double wait = made.utilization * prompt / (2 * (1 - made.utilization));
  made.ttft = wait + prompt + (batch > 1 ? step : 0);
  return made;
}

// Why a configuration falls short; empty if it does not.
std::string shortfall(const Demand& demand, const Configuration& c, const SteadyState& state,
                      double load) {
  if (load > 0 && state.requests_per_s < load) {
    return fmt::format("{:.2f} requests/s of the {:.2f} asked for",
                       state.requests_per_s * c.num_instances(), load * c.num_instances());
  }
  if (demand.ttft_ms && state.ttft_seconds.likely * 1e3 > *demand.ttft_ms) {
    return fmt::format("first token after {:.0f} ms, over {:.0f}", state.ttft_seconds.likely * 1e3,
                       *demand.ttft_ms);
  }
  if (demand.tpot_ms && state.tpot_seconds.likely * 1e3 > *demand.tpot_ms) {
    return fmt::format("{:.1f} ms per token, over {:.1f}", state.tpot_seconds.likely * 1e3,
                       *demand.tpot_ms);
  }
  return "";
}

// The least batch that carries the load; what fits, if none does.
std::int64_t batch_for(const Placement& placement, const Demand& demand, std::int64_t limit,
                       double load) {
  if (load <= 0) return std::min(limit, demand.batch.value_or(1));
  std::int64_t low = 0;
  std::int64_t high = limit;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    const bool carries = steady_state(placement, demand, middle, load).requests_per_s >= load;
    (carries ? high : low) = middle;
  }
  return high;
}

void judge(const Demand& demand, Configuration& c) {
  c.meets_target = false;
  const Placement placement = c.placement(demand.spec);
  const std::int64_t limit = max_batch(placement, c.context_tokens);
  if (!c.fits() || limit < 1) return;
  const double load = demand.requests_per_s.value_or(0) / c.num_instances();
  const std::int64_t batch = demand.batch.value_or(batch_for(placement, demand, limit, load));
  set_batch(demand, batch, c.context_tokens, c);
  const SteadyState state = steady_state(placement, demand, batch, load);
  c.throughput_batch = batch;
  c.ttft_ms = state.ttft_seconds * 1e3;
  c.tpot_ms = state.tpot_seconds * 1e3;
  const std::string reason = shortfall(demand, c, state, load);
  c.meets_target = reason.empty();
  if (!reason.empty()) {
    c.reasons.insert(c.reasons.begin(), reason);
    return;
  }
  if ((demand.ttft_ms && c.ttft_ms->high > *demand.ttft_ms) ||
      (demand.tpot_ms && c.tpot_ms->high > *demand.tpot_ms)) {
    c.reasons.insert(c.reasons.begin(),
                     "meets it as likely predicted, not at the slow end of the range: measure");
  }
}

// Tokens of the load itself, and what they cost.
void set_load_cost(const Demand& demand, Configuration& c) {
  if (!demand.requests_per_s || !c.meets_target.value_or(false)) return;
  const double rate = *demand.requests_per_s * static_cast<double>(demand.output_tokens);
  c.tokens_per_s = Range{rate, rate, rate};
  if (!c.device.price) return;
  const double scale = c.num_devices * 1e6 / (rate * 3600);
  c.usd_per_million_tokens =
      Range{c.device.price->low, c.device.price->likely(), c.device.price->high} * scale;
}

std::vector<int> counts_of(const Demand& demand, const Accelerator& device, Split split) {
  if (demand.gpus) return {*demand.gpus};
  if (device.is_cpu) return split == Split::kReplica ? std::vector<int>{1} : std::vector<int>{};
  if (split == Split::kTensor) {
    // Modules that share their memory with a host each have a host of their own.
    if (device.shares_host_memory) return {};
    return {std::begin(kTensorCounts), std::end(kTensorCounts)};
  }
  // More replicas carry more, and change nothing else.
  if (!demand.requests_per_s) return {1};
  return {std::begin(kReplicaCounts), std::end(kReplicaCounts)};
}

// The least number of devices that meets the target, or the attempt with most.
void add_choice(const Demand& demand, Choice choice, std::vector<Configuration>& all) {
  std::optional<Configuration> best;
  for (const int count : counts_of(demand, *choice.device, choice.split)) {
    if (choice.split == Split::kTensor && count == 1) continue;
    choice.num_devices = count;
    Configuration made = configure(demand, choice);
    judge(demand, made);
    set_load_cost(demand, made);
    const bool is_met = *made.meets_target;
    best = std::move(made);
    if (is_met || !best->fits()) break;
  }
  if (best) all.push_back(*std::move(best));
}

// Met ones first, then by price, power and the number of devices; no two are alike.
auto rank_of(const Configuration& c) {
  const double unknown = std::numeric_limits<double>::infinity();
  return std::tuple(!c.meets_target.value_or(false), c.usd_per_hour.value_or(unknown),
                    c.watts.value_or(unknown), !c.is_served, c.num_devices, c.split, c.weights,
                    c.kv, c.device.name);
}

}  // namespace

SteadyState steady_state(const Placement& placement, const Demand& demand, std::int64_t batch,
                         double requests_per_s) {
  const std::int64_t context = demand.input_tokens + demand.output_tokens / 2;
  const Range step = decode_time(placement, batch, context).total_seconds;
  const Range prompt = prefill_time(placement, demand.input_tokens).total_seconds;
  SteadyState state;
  state.batch = batch;
  double* const ttfts[] = {&state.ttft_seconds.low, &state.ttft_seconds.likely,
                           &state.ttft_seconds.high};
  double* const tpots[] = {&state.tpot_seconds.low, &state.tpot_seconds.likely,
                           &state.tpot_seconds.high};
  for (int i = 0; i < 3; ++i) {
    const Case made = steady_case(at(step, i), at(prompt, i), demand, batch, requests_per_s);
    *ttfts[i] = made.ttft;
    *tpots[i] = made.tpot;
    if (i == 1) {
      state.requests_per_s =
          std::min(made.capacity, kMaxUtilization / std::max(at(prompt, i), 1e-9));
      state.utilization = made.utilization;
    }
  }
  return state;
}

base::Result<std::vector<Configuration>> plan_for_target(const Demand& demand) {
  std::vector<Configuration> all;
  for (const Accelerator& device : demand.catalogue.accelerators) {
    if (!demand.gpu.empty() && device.name != demand.gpu) continue;
    for (const Split split : {Split::kReplica, Split::kTensor}) {
      for (const Weights weights : kAllWeights) {
        if (demand.weights ? weights != *demand.weights : !supports(device, weights)) continue;
        for (const KvType kv : kAllKvTypes) {
          if (demand.kv ? kv != *demand.kv : !supports(device, kv)) continue;
          add_choice(demand, {.device = &device, .split = split, .weights = weights, .kv = kv},
                     all);
        }
      }
    }
  }
  std::ranges::sort(all, {}, rank_of);
  return all;
}

}  // namespace fathom::plan
