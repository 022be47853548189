// Field names are a contract: docs/plan.md lists them.
#include "plan/plan_json.h"

#include <boost/json.hpp>

#include "footprint/kv_cache.h"

namespace fathom::plan {
namespace {

namespace json = boost::json;

json::value range_json(const std::optional<Range>& range) {
  if (!range) return nullptr;
  return json::object{{"low", range->low}, {"likely", range->likely}, {"high", range->high}};
}

json::value optional_json(const std::optional<double>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::object ledger_json(const DeviceLedger& ledger) {
  return {{"memory_bytes", ledger.memory_bytes},
          {"weights_bytes", ledger.weights_bytes},
          {"kv_bytes_per_token", ledger.kv_bytes_per_token},
          {"kv_bytes", ledger.kv_bytes},
          {"workspace_bytes", ledger.workspace_bytes},
          {"logits_bytes", ledger.logits_bytes},
          {"runtime_bytes", ledger.runtime_bytes},
          {"kept_bytes", ledger.kept_bytes},
          {"free_bytes", ledger.free_bytes}};
}

json::object host_json(const HostPlan& host) {
  return {{"process_bytes", host.process_bytes},
          {"staging_bytes", host.staging_bytes},
          {"page_cache_bytes", host.page_cache_bytes},
          {"disk_bytes", host.disk_bytes},
          {"load_seconds", {{"cold", host.load_seconds_cold}, {"warm", host.load_seconds_warm}}},
          {"disk_is_measured", host.disk_is_measured}};
}

json::object figure_json(const Figure& figure) {
  return {{"value", figure.value},
          {"source", figure.source},
          {"date", figure.date},
          {"verified", figure.is_verified}};
}

json::value price_json(const Accelerator& device) {
  if (!device.price) return nullptr;
  const Price& price = *device.price;
  return json::object{{"low", price.low},
                      {"high", price.high},
                      {"source", price.source},
                      {"date", price.date},
                      {"verified", price.is_verified}};
}

json::object device_json(const Accelerator& device) {
  json::object made{{"name", device.name},
                    {"title", device.title},
                    {"memory_gib", figure_json(device.memory_gib)},
                    {"bandwidth_gb_per_s", figure_json(device.bandwidth_gb_per_s)},
                    {"fp16_tflops", figure_json(device.fp16_tflops)},
                    {"host_link_gb_per_s", figure_json(device.host_link_gb_per_s)},
                    {"usd_per_hour", price_json(device)}};
  if (device.int8_tops) made["int8_tops"] = figure_json(*device.int8_tops);
  if (device.fp8_tflops) made["fp8_tflops"] = figure_json(*device.fp8_tflops);
  if (device.watts) made["watts"] = figure_json(*device.watts);
  if (device.link_gb_per_s) made["link_gb_per_s"] = figure_json(*device.link_gb_per_s);
  const Efficiency shares = efficiency_of(device);
  made["efficiency"] = json::object{{"memory_wide", range_json(shares.memory_wide)},
                                    {"memory_narrow", range_json(shares.memory_narrow)},
                                    {"compute_wide", range_json(shares.compute_wide)},
                                    {"compute_narrow", range_json(shares.compute_narrow)},
                                    {"launch_us", range_json(shares.launch_us)},
                                    {"source", shares.source},
                                    {"measured", shares.is_measured}};
  return made;
}

json::object configuration_json(const Configuration& c) {
  json::object made{{"gpu", c.device.name},
                    {"gpus", c.num_devices},
                    {"split", name(c.split)},
                    {"weights", name(c.weights)},
                    {"kv", name(c.kv)},
                    {"batch", c.batch},
                    {"context", c.context_tokens},
                    {"fits", c.fits()},
                    {"served", c.is_served},
                    {"ledger", ledger_json(c.ledger)},
                    {"max_context_at_batch_1", c.max_context_at_batch_1},
                    {"max_batch_at_4096", c.max_batch_at_4096},
                    {"ttft_ms", range_json(c.ttft_ms)},
                    {"tpot_ms", range_json(c.tpot_ms)},
                    {"throughput_batch", c.throughput_batch},
                    {"tokens_per_s", range_json(c.tokens_per_s)},
                    {"usd_per_hour", optional_json(c.usd_per_hour)},
                    {"usd_per_million_tokens", range_json(c.usd_per_million_tokens)},
                    {"watts", optional_json(c.watts)},
                    {"host", host_json(c.host)},
                    {"reasons", json::value_from(c.reasons)}};
  if (c.meets_target) made["meets_target"] = *c.meets_target;
  return made;
}

}  // namespace

json::object plan_json(const Demand& demand, const std::vector<Configuration>& configurations) {
  const spec::ModelSpec& spec = demand.spec;
  json::object devices;
  json::array list;
  for (const Configuration& c : configurations) {
    if (!devices.contains(c.device.name)) devices[c.device.name] = device_json(c.device);
    list.push_back(configuration_json(c));
  }
  return {{"model",
           {{"name", demand.model_name},
            {"parameters", spec.total_parameters()},
            {"layers", spec.num_layers},
            {"hidden_size", spec.hidden_size},
            {"heads", spec.num_heads},
            {"kv_heads", spec.num_kv_heads},
            {"max_context", spec.max_context_tokens},
            {"kv_bytes_per_token", footprint::kv_block_bytes(spec, {}) / footprint::kBlockTokens}}},
          {"input_tokens", demand.input_tokens},
          {"output_tokens", demand.output_tokens},
          {"devices", std::move(devices)},
          {"configurations", std::move(list)}};
}

}  // namespace fathom::plan
