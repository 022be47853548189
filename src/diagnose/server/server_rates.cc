// Differences, means and quantiles.
#include "diagnose/server/server_rates.h"

#include <algorithm>
#include <charconv>

namespace fathom::diagnose {
namespace {

// The two readings under one of the names that versions of an engine have had.
class Change {
 public:
  Change(const MetricsReading& before, const MetricsReading& after)
      : before_(before), after_(after) {}

  std::optional<double> counter(std::string_view name) const {
    const auto old_value = before_.sum(name);
    const auto new_value = after_.sum(name);
    if (!old_value || !new_value) return std::nullopt;
    return *new_value - *old_value;
  }

  std::optional<double> gauge_mean(std::string_view name) const {
    const auto old_value = before_.sum(name);
    const auto new_value = after_.sum(name);
    if (!old_value || !new_value) return std::nullopt;
    return (*old_value + *new_value) / 2;
  }

  std::optional<double> gauge_max(std::string_view name, std::string_view older_name) const {
    std::optional<double> most;
    for (const MetricsReading* const reading : {&before_, &after_}) {
      for (const std::string_view each : {name, older_name}) {
        const auto value = reading->sum(each);
        if (value) most = std::max(most.value_or(*value), *value);
      }
    }
    return most;
  }

  std::optional<std::vector<ReasonFacts>> reasons(std::string_view name,
                                                  std::string_view label) const {
    if (!after_.sum(name)) return std::nullopt;
    const auto old_counts = before_.sums_by(name, label);
    std::vector<ReasonFacts> reasons;
    for (const auto& [reason, count] : after_.sums_by(name, label)) {
      const auto old_count = old_counts.find(reason);
      const double more = count - (old_count == old_counts.end() ? 0.0 : old_count->second);
      if (more > 0) reasons.push_back({.reason = reason, .count = more});
    }
    return reasons;
  }

  std::optional<LatencyFacts> latency(std::string_view name, std::string_view older_name) const {
    auto change = change_of(before_, after_, name);
    if (!change) change = change_of(before_, after_, older_name);
    if (!change) return std::nullopt;
    LatencyFacts latency{.count = std::max(change->count, 0.0)};
    if (change->count > 0) {
      latency.mean_s = change->sum / change->count;
      latency.p50_s = change->quantile(0.5);
      latency.p99_s = change->quantile(0.99);
    }
    return latency;
  }

 private:
  const MetricsReading& before_;
  const MetricsReading& after_;
};

std::optional<double> per_second(const std::optional<double>& count, double seconds) {
  return count && seconds > 0 ? std::optional(std::max(*count, 0.0) / seconds) : std::nullopt;
}

std::optional<double> label_number(const MetricsReading& reading, std::string_view name,
                                   std::string_view label) {
  const auto text = reading.label(name, label);
  double value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

void add_steps(const Change& change, const MetricsReading& before, const MetricsReading& after,
               ServerFacts& server) {
  const auto steps = change_of(before, after, "iteration_tokens_total");
  if (!steps || steps->count < 0 || steps->sum < 0) return;
  server.steps_per_s = per_second(steps->count, server.interval_s.value_or(0));
  if (steps->count > 0) server.tokens_per_step = steps->sum / steps->count;
  // Counters of tokens may grow only when a request ends; steps count them as they come.
  const auto intervals = change.counter("inter_token_latency_seconds_count");
  const auto first_tokens = change.counter("time_to_first_token_seconds_count");
  if (!intervals || !first_tokens) return;
  const auto made = per_second(*intervals + *first_tokens, server.interval_s.value_or(0));
  server.generation_tokens_per_s =
      std::max(server.generation_tokens_per_s.value_or(0), made.value_or(0));
}

}  // namespace

void add_rates(const MetricsReading& before, const MetricsReading& after, double interval_s,
               ServerFacts& server) {
  const Change change(before, after);
  server.interval_s = interval_s;
  server.model = after.label("num_requests_running", "model_name");
  server.counters_reset = false;
  for (const char* const counter :
       {"generation_tokens_total", "prompt_tokens_total", "e2e_request_latency_seconds_count"}) {
    if (change.counter(counter).value_or(0) < 0) server.counters_reset = true;
  }
  server.running = change.gauge_mean("num_requests_running");
  server.waiting = change.gauge_mean("num_requests_waiting");
  const auto usage = change.gauge_max("kv_cache_usage_perc", "gpu_cache_usage_perc");
  if (usage) server.kv_usage_percent = 100 * *usage;
  const auto blocks = label_number(after, "cache_config_info", "num_gpu_blocks");
  const auto block_tokens = label_number(after, "cache_config_info", "block_size");
  if (blocks && block_tokens) server.kv_cache_tokens = *blocks * *block_tokens;
  server.preemptions = change.counter("num_preemptions_total");
  server.prompt_tokens_per_s = per_second(change.counter("prompt_tokens_total"), interval_s);
  server.generation_tokens_per_s =
      per_second(change.counter("generation_tokens_total"), interval_s);
  add_steps(change, before, after, server);
  const auto queries = change.counter("prefix_cache_queries_total");
  const auto hits = change.counter("prefix_cache_hits_total");
  if (queries.value_or(0) > 0 && hits) server.prefix_cache_hit_percent = 100 * *hits / *queries;
  server.corrupted_requests = change.counter("corrupted_requests_total");
  server.rejections = change.reasons("admission_rejections_total", "reason");
  server.finished = change.reasons("request_success_total", "finished_reason");
  server.queue_time = change.latency("request_queue_time_seconds", "request_queue_time_seconds");
  server.first_token = change.latency("time_to_first_token_seconds", "time_to_first_token_seconds");
  server.token_interval =
      change.latency("inter_token_latency_seconds", "time_per_output_token_seconds");
}

}  // namespace fathom::diagnose
