// One paragraph a number.
#include "plan/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "footprint/kv_cache.h"
#include "footprint/ledger.h"
#include "plan/target.h"
#include "plan/text_layout.h"

namespace fathom::plan {
namespace {

constexpr double kMs = 1e3;

std::string line(std::string_view name, const std::string& text) {
  return paragraph(fmt::format("  {:<12}", name), text);
}

std::string gib(std::int64_t bytes) {
  return fmt::format("{:.3f} GiB", static_cast<double>(bytes) / (1 << 30));
}

std::string ms_text(const Range& seconds) { return range_text(seconds * kMs) + " ms"; }

std::string percent_text(const Range& share) {
  return fmt::format("{:.0f} % ({:.0f}-{:.0f})", share.likely * 100, share.low * 100,
                     share.high * 100);
}

std::string source_text(const Figure& figure) {
  std::string text = figure.source;
  if (!figure.date.empty()) text += ", " + figure.date;
  return text + (figure.is_verified ? "" : ", not verified");
}

std::string memory_text(const Demand& demand, const Configuration& c) {
  const spec::ModelSpec part = largest_rank(demand.spec, c.ranks(), c.weights);
  const DeviceLedger& ledger = c.ledger;
  const std::int64_t blocks = base::ceil_div(c.context_tokens, footprint::kBlockTokens);
  std::string text = line(
      "memory", fmt::format("{}; {}", gib(ledger.memory_bytes), source_text(c.device.memory_gib)));
  text += line(
      "weights",
      fmt::format(
          "{} = {} layers x ({} + {} + {} + {} + norms) values in {}, head {} x {}{}, "
          "embedding in two bytes; int8 and fp8 have a 4-byte scale an output, int4 2.5 "
          "bytes a group of 128",
          gib(ledger.weights_bytes), part.num_layers,
          (part.q_size() + 2 * part.kv_size()) * part.hidden_size, part.q_size() * part.hidden_size,
          2 * part.intermediate_size * part.hidden_size, part.intermediate_size * part.hidden_size,
          name(c.weights), rank_vocab_rows(demand.spec, c.ranks()), part.hidden_size,
          c.weights == Weights::kInt8 || c.weights == Weights::kInt4 ? " in two bytes" : ""));
  text +=
      line("KV a token",
           fmt::format("{} bytes = 2 x {} layers x {} heads x {} values in {}{}",
                       ledger.kv_bytes_per_token, part.num_layers, part.num_kv_heads, part.head_dim,
                       name(c.kv), c.kv == KvType::kInt8 ? " and a 4-byte scale a head" : ""));
  text += line("KV cache", fmt::format("{} = {} x {} blocks x 16 tokens", gib(ledger.kv_bytes),
                                       count_text(c.batch, "sequence"), blocks));
  const footprint::EngineSizes sizes =
      footprint::with_defaults({.max_batch_size = c.batch}, {.is_gpu = !c.device.is_cpu});
  text += line("workspace", fmt::format("{} and logits {}: steps of {} rows, {}, array by array as "
                                        "serve allocates them",
                                        gib(ledger.workspace_bytes), gib(ledger.logits_bytes),
                                        std::max(sizes.max_step_tokens, c.batch),
                                        count_text(c.batch, "sequence")));
  text += line("runtime", fmt::format("{}, an estimate: {}; kept for recorded steps: {}",
                                      gib(ledger.runtime_bytes),
                                      c.device.is_cpu ? "process, vocabulary and host buffers"
                                                      : "context, code, library, collectives",
                                      gib(ledger.kept_bytes)));
  text += line("free", fmt::format("{} = memory - all of these", gib(ledger.free_bytes)));
  return text;
}

std::string shares_text(const Configuration& c) {
  const Efficiency shares = efficiency_of(c.device);
  const bool is_narrow = c.weights != Weights::kFp16;
  const bool multiplies_narrow = c.weights == Weights::kFp8 || c.weights == Weights::kInt8;
  std::string text =
      line("bandwidth",
           fmt::format("{} GB/s; {}. Reached while weights are read: {}; while the cache is: {}",
                       number_text(c.device.bandwidth_gb_per_s.value),
                       source_text(c.device.bandwidth_gb_per_s),
                       percent_text(is_narrow ? shares.memory_narrow : shares.memory_wide),
                       percent_text(shares.memory_wide)));
  const Figure* rate = &c.device.fp16_tflops;
  if (c.weights == Weights::kFp8 && c.device.fp8_tflops) rate = &*c.device.fp8_tflops;
  if (c.weights == Weights::kInt8 && c.device.int8_tops) rate = &*c.device.int8_tops;
  text += line(
      "products",
      fmt::format("{} TFLOP/s; {}. Reached: {}",
                  number_text(peak_flop_per_s(c.device, c.weights) * 1e-12), source_text(*rate),
                  percent_text(multiplies_narrow ? shares.compute_narrow : shares.compute_wide)));
  text += line("shares", shares.source);
  return text;
}

std::string decode_text(const DecodeTime& time, const Configuration& c, std::int64_t context) {
  std::string text = fmt::format(
      "{} = the {} of weights {:.3f} GB / bandwidth = {} and products {} GFLOP = {}, + cache "
      "{:.3f} GB ({} x {} tokens) = {}, + {:.0f} operations = {}",
      ms_text(time.total_seconds), c.device.is_cpu ? "sum" : "greater", time.weight_bytes * 1e-9,
      ms_text(time.weights_seconds), number_text(time.flop * 1e-9), ms_text(time.products_seconds),
      time.kv_bytes * 1e-9, c.batch, context, ms_text(time.kv_seconds), time.operations,
      ms_text(time.launch_seconds));
  if (time.all_reduces > 0) {
    text += fmt::format(", + {:.0f} all-reduces of {:.1f} us", time.all_reduces,
                        time.all_reduce_seconds * 1e6);
  }
  return text;
}

std::string prefill_text(const Demand& demand, const PrefillTime& time) {
  std::string text = fmt::format(
      "{} = {} tokens: the greater of products {} TFLOP = {} and reading the weights {} = "
      "{}, + operations",
      ms_text(time.total_seconds), demand.input_tokens, number_text(time.flop * 1e-12),
      ms_text(time.products_seconds), count_text(time.num_steps, "time"),
      ms_text(time.weights_seconds));
  if (time.all_reduce_seconds > 0) {
    text += fmt::format(", + all-reduces {:.2f} ms", time.all_reduce_seconds * kMs);
  }
  return text;
}

std::string speed_text(const Demand& demand, const Configuration& c) {
  const Placement placement = c.placement(demand.spec);
  const bool is_loaded = demand.has_target();
  const std::int64_t context =
      is_loaded ? demand.input_tokens + demand.output_tokens / 2 : c.context_tokens;
  std::string text =
      line("step", decode_text(decode_time(placement, c.batch, context), c, context));
  text += line("prompt", prefill_text(demand, prefill_time(placement, demand.input_tokens)));
  if (is_loaded && c.tpot_ms) {
    const double load = demand.requests_per_s.value_or(0) / c.num_instances();
    const SteadyState state = steady_state(placement, demand, c.batch, load);
    text += line("TPOT", fmt::format("{} ms = step / (1 - {:.3f}): {:.3f} requests/s an instance x "
                                     "prompt is the share of time that prompts take",
                                     range_text(c.tpot_ms), state.utilization, load));
    text += line("TTFT", fmt::format("{} ms = waiting share x prompt / (2 (1 - share)) + prompt + "
                                     "step; an instance answers at most {:.2f} requests/s",
                                     range_text(c.ttft_ms), state.requests_per_s));
  }
  if (demand.requests_per_s && c.meets_target.value_or(false)) {
    text +=
        line("tokens/s", fmt::format("{} = {} requests/s x {} tokens: the load itself",
                                     number_text(c.tokens_per_s->likely),
                                     number_text(*demand.requests_per_s), demand.output_tokens));
  } else if (c.tokens_per_s) {
    text += line("tokens/s", fmt::format("{} = {} x {} / their step", range_text(c.tokens_per_s),
                                         count_text(c.num_instances(), "instance"),
                                         count_text(c.throughput_batch, "sequence")));
  }
  if (c.usd_per_million_tokens) {
    const Price& price = *c.device.price;
    text += line("cost", fmt::format("$ {} a million tokens = {} x $ {}-{} an hour / (tokens/s x "
                                     "3600) x 10^6; {}, {}{}",
                                     range_text(c.usd_per_million_tokens), c.num_devices,
                                     number_text(price.low), number_text(price.high), price.source,
                                     price.date, price.is_verified ? "" : ", not verified"));
  }
  return text;
}

std::string host_text(const Demand& demand, const Configuration& c) {
  const HostPlan& host = c.host;
  std::string text =
      line("host memory",
           fmt::format("{}: processes {}, page-locked while loading {}, page cache {} ({})",
                       count_text(c.num_instances(), "instance"), gib(host.process_bytes),
                       gib(host.staging_bytes), gib(host.page_cache_bytes),
                       c.device.is_cpu ? "the weights, read in place: must stay"
                                       : "one copy for all instances, for warm restarts"));
  text += line("load",
               fmt::format("{:.1f} s = {} / the lesser of disk {:.2f} GB/s ({}) and copies to the "
                           "device {} GB/s; {:.1f} s from the page cache",
                           host.load_seconds_cold, gib(host.disk_bytes), demand.disk_gb_per_s,
                           host.disk_is_measured ? "measured" : "assumed",
                           number_text(c.device.host_link_gb_per_s.value), host.load_seconds_warm));
  return text;
}

}  // namespace

std::string explain_text(const Demand& demand, const Configuration& c) {
  std::string text = paragraph(
      "", fmt::format("{} x{}{}, {} weights, {} KV cache, {} x {} tokens: {}", c.device.name,
                      c.num_devices, c.num_devices > 1 ? fmt::format(" {}", name(c.split)) : "",
                      name(c.weights), name(c.kv), c.batch, c.context_tokens,
                      c.fits() ? "fits" : "does not fit"));
  text += memory_text(demand, c);
  if (c.ranks() > 1) text += line("", "All of these are those of the largest rank.");
  text += shares_text(c);
  if (c.fits()) text += speed_text(demand, c);
  text += host_text(demand, c);
  for (const std::string& reason : c.reasons) text += paragraph("  - ", reason);
  return text;
}

}  // namespace fathom::plan
