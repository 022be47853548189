// Makes configurations and looks at each.
#include "plan/planner.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/advice.h"
#include "plan/target.h"

namespace fathom::plan {

using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

// What a server runs at a time unless told otherwise.
constexpr std::int64_t kServedBatch = 256;
constexpr std::int64_t kServedCpuBatch = 16;
// Two page-locked buffers of an instance, through which weights go to a GPU.
constexpr std::int64_t kStagingBytes = std::int64_t{64} << 20;

std::int64_t checkpoint_bytes(const Demand& demand, Weights weights) {
  // fp8 is made while loading, from two-byte files.
  const Weights stored = weights == Weights::kFp8 ? Weights::kFp16 : weights;
  return footprint::packed_weight_bytes(demand.spec, weight_format(stored, {.architecture = 90}));
}

HostPlan host_plan(const Demand& demand, const Configuration& configuration) {
  HostPlan host;
  const std::int64_t instances = configuration.num_instances();
  const bool is_gpu = !configuration.device.is_cpu;
  host.process_bytes = instances * configuration.ledger.host_bytes;
  host.staging_bytes = is_gpu ? instances * kStagingBytes : 0;
  host.disk_bytes = checkpoint_bytes(demand, configuration.weights);
  host.page_cache_bytes = host.disk_bytes;
  host.disk_is_measured = demand.disk_is_measured;
  const auto bytes = static_cast<double>(host.disk_bytes);
  const double link = configuration.device.host_link_gb_per_s.value * 1e9;
  host.load_seconds_warm = bytes / link;
  host.load_seconds_cold = bytes / std::min(link, demand.disk_gb_per_s * 1e9);
  return host;
}

void set_speed(const Demand& demand, Configuration& configuration) {
  const Placement placement = configuration.placement(demand.spec);
  const Range step =
      decode_time(placement, configuration.batch, configuration.context_tokens).total_seconds;
  const Range prompt = prefill_time(placement, demand.input_tokens).total_seconds;
  configuration.ttft_ms = prompt * 1e3;
  configuration.tpot_ms = step * 1e3;
  const Range full_step =
      decode_time(placement, configuration.throughput_batch, configuration.context_tokens)
          .total_seconds;
  const auto sequences =
      static_cast<double>(configuration.throughput_batch * configuration.num_instances());
  configuration.tokens_per_s = sequences / full_step;
}

void set_cost(Configuration& configuration) {
  const Accelerator& device = configuration.device;
  if (device.watts) configuration.watts = device.watts->value * configuration.num_devices;
  if (!device.price || !configuration.tokens_per_s) return;
  const Range per_hour = Range{device.price->low, device.price->likely(), device.price->high} *
                         configuration.num_devices;
  configuration.usd_per_hour = per_hour.likely;
  const Range& rate = *configuration.tokens_per_s;
  constexpr double kTokens = 1e6 / 3600;
  configuration.usd_per_million_tokens =
      Range{per_hour.low / rate.high * kTokens, per_hour.likely / rate.likely * kTokens,
            per_hour.high / rate.low * kTokens};
}

// The weights that are looked at on a device: those asked for, or all.
std::vector<Weights> weights_of(const Demand& demand, const Accelerator& device) {
  if (demand.weights) return {*demand.weights};
  std::vector<Weights> all;
  for (const Weights each : kAllWeights) {
    if (supports(device, each)) all.push_back(each);
  }
  return all;
}

// Modules that share their memory with a host each have a host of their own.
std::vector<Split> splits_of(const Accelerator& device, int num_devices) {
  if (num_devices == 1 || device.shares_host_memory) return {Split::kReplica};
  return {Split::kReplica, Split::kTensor};
}

// The overview: two-byte weights, and where these do not fit the widest that do.
void add_overview(const Demand& demand, const Accelerator& device,
                  std::vector<Configuration>& configurations) {
  const KvType kv = demand.kv.value_or(KvType::kFp16);
  const std::vector<int> counts =
      demand.gpus ? std::vector<int>{*demand.gpus} : device.table_counts;
  for (const int count : counts) {
    if (device.is_cpu && count > 1) continue;
    for (const Split split : splits_of(device, count)) {
      Choice choice{.device = &device, .num_devices = count, .split = split, .kv = kv};
      for (const Weights weights : weights_of(demand, device)) {
        // An 8-bit format that this build serves comes before one that it does not.
        choice.weights = weights;
        configurations.push_back(configure(demand, choice));
        if (configurations.back().fits()) break;
      }
    }
  }
}

// Every format of one device.
void add_formats(const Demand& demand, const Accelerator& device,
                 std::vector<Configuration>& configurations) {
  const int count = demand.gpus.value_or(1);
  for (const Split split : splits_of(device, count)) {
    for (const Weights weights : weights_of(demand, device)) {
      configurations.push_back(configure(demand, {.device = &device,
                                                  .num_devices = count,
                                                  .split = split,
                                                  .weights = weights,
                                                  .kv = demand.kv.value_or(KvType::kFp16)}));
    }
  }
}

}  // namespace

std::int64_t Demand::compare_context() const {
  return std::min(kCompareContextTokens, spec.max_context_tokens);
}

std::int64_t Demand::context() const {
  if (context_tokens) return *context_tokens;
  return has_target() ? input_tokens + output_tokens : compare_context();
}

void set_batch(const Demand& demand, std::int64_t batch, std::int64_t context_tokens,
               Configuration& configuration) {
  configuration.batch = batch;
  configuration.context_tokens = context_tokens;
  configuration.ledger = device_ledger(configuration.placement(demand.spec), batch, context_tokens);
}

Configuration configure(const Demand& demand, const Choice& choice) {
  Configuration made;
  made.device = *choice.device;
  made.num_devices = choice.num_devices;
  made.split = choice.split;
  made.weights = choice.weights;
  made.kv = choice.kv;
  made.is_supported = supports(made.device, made.weights) && supports(made.device, made.kv);
  made.is_served =
      made.is_supported && is_served(choice.weights) && choice.split == Split::kReplica;
  set_batch(demand, demand.batch.value_or(1), demand.context(), made);
  const Placement placement = made.placement(demand.spec);
  if (made.is_supported) {
    made.max_context_at_batch_1 = max_context(placement, 1);
    made.max_batch_at_4096 = max_batch(placement, demand.compare_context());
  }
  if (made.fits()) {
    const std::int64_t served = made.device.is_cpu ? kServedCpuBatch : kServedBatch;
    made.throughput_batch =
        demand.batch ? *demand.batch
                     : std::max<std::int64_t>(
                           std::min(served, max_batch(placement, made.context_tokens)), 1);
    set_speed(demand, made);
  }
  made.host = host_plan(demand, made);
  set_cost(made);
  made.reasons = reasons_of(demand, made);
  return made;
}

Result<void> check(const Demand& demand) {
  const auto refuse = [](std::string_view flag, std::string_view problem) {
    return fail(ErrorCode::kInvalidArgument, flag, "{}", problem);
  };
  if (!demand.gpu.empty() && demand.catalogue.find(demand.gpu) == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "--gpu", "'{}' is none of {}", demand.gpu,
                demand.catalogue.names());
  }
  if (demand.gpus && (*demand.gpus < 1 || *demand.gpus > kMaxDevices)) {
    return refuse("--gpus", "it is not from 1 to 64");
  }
  if (demand.gpu == "cpu" && demand.gpus.value_or(1) > 1) {
    return refuse("--gpus", "this machine has one CPU device; all its cores work on one model");
  }
  if (demand.batch && (*demand.batch < 1 || *demand.batch > kMaxBatch)) {
    return refuse("--batch", "it is not from 1 to 1024, what serve runs at a time");
  }
  const std::int64_t context = demand.context();
  if (context < 16 || context > demand.spec.max_context_tokens) {
    return fail(ErrorCode::kInvalidArgument, demand.context_tokens ? "--context" : "--input",
                "{} tokens are not from 16 to the {} that the model was made for", context,
                demand.spec.max_context_tokens);
  }
  if (demand.input_tokens < 1 || demand.output_tokens < 1) {
    return refuse("--input", "input and output have at least one token");
  }
  for (const auto& [flag, value] : {std::pair{"--qps", demand.requests_per_s},
                                    {"--ttft-ms", demand.ttft_ms},
                                    {"--tpot-ms", demand.tpot_ms}}) {
    if (value && !(*value > 0)) return refuse(flag, "it is not above 0");
  }
  return {};
}

Result<std::vector<Configuration>> plan(const Demand& demand) {
  TRY(check(demand));
  if (demand.has_target()) return plan_for_target(demand);
  std::vector<Configuration> configurations;
  if (!demand.gpu.empty()) {
    add_formats(demand, *demand.catalogue.find(demand.gpu), configurations);
    return configurations;
  }
  for (const Accelerator& device : demand.catalogue.accelerators) {
    add_overview(demand, device, configurations);
  }
  return configurations;
}

}  // namespace fathom::plan
