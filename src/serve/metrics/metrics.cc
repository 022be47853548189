// Records go into the series; the text comes from prometheus-cpp.
#include "serve/metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "serve/metrics/metric_series.h"

namespace fathom::serve {
namespace {

constexpr std::array<std::string_view, 6> kMethods = {"GET",     "POST", "HEAD",
                                                      "OPTIONS", "PUT",  "DELETE"};
constexpr std::array<const char*, 6> kStatusClasses = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

const Buckets kTokenIntervalBuckets = token_interval_buckets();

double non_negative(double value) { return value > 0 ? value : 0; }
double amount(std::int64_t value) { return static_cast<double>(std::max<std::int64_t>(value, 0)); }

std::string method_label(std::string_view method) {
  return std::ranges::find(kMethods, method) == kMethods.end() ? "other" : std::string(method);
}

const char* status_label(int status) {
  return status < 100 || status > 599 ? kStatusClasses[0]
                                      : kStatusClasses[static_cast<std::size_t>(status / 100)];
}

}  // namespace

Metrics::Metrics(const MetricsOptions& options)
    : series_(std::make_unique<MetricSeries>(options)) {}
Metrics::~Metrics() = default;

void Metrics::record_step(std::int64_t num_tokens) {
  series_->histograms.step_tokens.Observe(amount(num_tokens));
}

void Metrics::record_token_interval(double seconds, std::int64_t count) {
  if (count <= 0) return;
  seconds = non_negative(seconds);
  if (count == 1) return series_->histograms.token_interval.Observe(seconds);
  std::vector<double> increments(kTokenIntervalBuckets.size() + 1, 0);
  const auto bucket =
      std::ranges::lower_bound(kTokenIntervalBuckets, seconds) - kTokenIntervalBuckets.begin();
  increments[static_cast<std::size_t>(bucket)] = amount(count);
  series_->histograms.token_interval.ObserveMultiple(increments, seconds * amount(count));
}

void Metrics::record_first_token(double seconds_since_arrival) {
  series_->histograms.first_token.Observe(non_negative(seconds_since_arrival));
}

void Metrics::record_finished(const FinishedRequest& request) {
  CounterSeries& counters = series_->counters;
  counters.finished[static_cast<std::size_t>(request.reason)]->Increment();
  counters.prompt_tokens.Increment(amount(request.num_prompt_tokens));
  counters.generation_tokens.Increment(amount(request.num_generation_tokens));
  counters.cached_tokens.Increment(amount(request.num_cached_tokens));
  counters.recomputed_tokens.Increment(amount(request.num_recomputed_tokens));
  const std::int64_t num_computed = request.num_prompt_tokens - request.num_cached_tokens;
  counters.prompt_sources[0]->Increment(amount(num_computed));
  counters.prompt_sources[1]->Increment(amount(request.num_cached_tokens));
  if (request.is_corrupted) counters.corrupted.Increment();

  HistogramSeries& histograms = series_->histograms;
  const double prefill = non_negative(request.prefill_seconds);
  const double decode = non_negative(request.decode_seconds);
  histograms.e2e.Observe(non_negative(request.e2e_seconds));
  histograms.queue.Observe(non_negative(request.queue_seconds));
  histograms.prefill.Observe(prefill);
  histograms.decode.Observe(decode);
  histograms.inference.Observe(prefill + decode);
  const double num_later = amount(request.num_generation_tokens - 1);
  histograms.per_token.Observe(num_later > 0 ? decode / num_later : 0);
  histograms.prompt_tokens.Observe(amount(request.num_prompt_tokens));
  histograms.generation_tokens.Observe(amount(request.num_generation_tokens));
  histograms.computed_tokens.Observe(amount(num_computed));
  if (request.max_tokens) histograms.max_tokens_asked.Observe(amount(*request.max_tokens));
}

void Metrics::record_choices(std::int64_t n, std::int64_t longest_tokens) {
  series_->histograms.n.Observe(amount(n));
  series_->histograms.longest_choice.Observe(amount(longest_tokens));
}

void Metrics::record_rejected(RejectReason reason) {
  series_->counters.rejected[static_cast<std::size_t>(reason)]->Increment();
}

void Metrics::record_prefix_cache(std::int64_t queries, std::int64_t hits) {
  series_->counters.cache_queries.Increment(amount(queries));
  series_->counters.cache_hits.Increment(amount(hits));
}

void Metrics::record_preemption() { series_->counters.preemptions.Increment(); }

void Metrics::record_speculation(const Speculation& speculation) {
  CounterSeries& counters = series_->counters;
  counters.drafts.Increment(amount(speculation.num_drafts));
  counters.draft_tokens.Increment(amount(speculation.num_draft_tokens));
  std::int64_t num_accepted = 0;
  for (std::size_t i = 0; i < speculation.accepted_at.size(); ++i) {
    num_accepted += speculation.accepted_at[i];
    const std::size_t known = std::min(i, counters.accepted_at.size() - 1);
    counters.accepted_at[known]->Increment(amount(speculation.accepted_at[i]));
  }
  counters.accepted_tokens.Increment(amount(num_accepted));
}

void Metrics::record_block_reuse(double seconds_since_use) {
  series_->histograms.block_reuse_gap.Observe(non_negative(seconds_since_use));
}

void Metrics::record_block_eviction(double seconds_since_taken, double seconds_since_use) {
  series_->histograms.block_lifetime.Observe(non_negative(seconds_since_taken));
  series_->histograms.block_idle.Observe(non_negative(seconds_since_use));
}

void Metrics::record_http(std::string_view method, std::string_view handler, int status,
                          double seconds) {
  const auto& handlers = series_->handlers;
  const bool is_route = std::ranges::find(handlers, handler) != handlers.end();
  prometheus::Labels labels = {{"method", method_label(method)},
                               {"handler", is_route ? std::string(handler) : "none"}};
  series_->http_seconds.Add(labels, http_seconds_buckets()).Observe(non_negative(seconds));
  labels.emplace("status", status_label(status));
  series_->http_requests.Add(labels).Increment();
}

std::string Metrics::expose(const EngineSnapshot& snapshot) {
  const std::lock_guard lock(series_->scrape);
  series_->gauges.running.Set(amount(snapshot.num_running));
  series_->gauges.waiting.Set(amount(snapshot.num_waiting));
  series_->gauges.kv_usage.Set(std::clamp(non_negative(snapshot.kv_cache_usage), 0.0, 1.0));
  return prometheus::TextSerializer().Serialize(series_->registry.Collect());
}

}  // namespace fathom::serve
