// MetricSeries: every family of metrics and its series, registered under one set of names.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <mutex>
#include <string>
#include <vector>

#include "serve/metrics/metric_buckets.h"
#include "serve/metrics/metrics.h"

namespace fathom::serve {

// Makes families with the prefix and the labels that all engine metrics have.
class MetricMaker {
 public:
  MetricMaker(prometheus::Registry& registry, const MetricsOptions& options);

  prometheus::Family<prometheus::Counter>& counters(const std::string& name,
                                                    const std::string& help);
  prometheus::Counter& counter(const std::string& name, const std::string& help);
  prometheus::Gauge& gauge(const std::string& name, const std::string& help,
                           const prometheus::Labels& labels = {});
  prometheus::Histogram& histogram(const std::string& name, const std::string& help,
                                   const Buckets& buckets);
  prometheus::Family<prometheus::Counter>& http_counters(const std::string& name,
                                                         const std::string& help);
  prometheus::Family<prometheus::Histogram>& http_histograms(const std::string& name,
                                                             const std::string& help);

 private:
  prometheus::Registry& registry_;
  const std::string prefix_;
  const std::string http_prefix_;
  const prometheus::Labels labels_;
};

struct GaugeSeries {
  explicit GaugeSeries(MetricMaker& make);
  prometheus::Gauge& running;
  prometheus::Gauge& waiting;
  prometheus::Gauge& kv_usage;
};

// Arrays are in the order of their enum, or of positions in a draft.
struct CounterSeries {
  CounterSeries(MetricMaker& make, std::int64_t max_draft_tokens);
  prometheus::Counter& cache_queries;
  prometheus::Counter& cache_hits;
  prometheus::Counter& preemptions;
  prometheus::Counter& prompt_tokens;
  prometheus::Counter& generation_tokens;
  prometheus::Counter& cached_tokens;
  prometheus::Counter& recomputed_tokens;
  prometheus::Counter& corrupted;
  prometheus::Counter& drafts;
  prometheus::Counter& draft_tokens;
  prometheus::Counter& accepted_tokens;
  std::vector<prometheus::Counter*> accepted_at;
  std::vector<prometheus::Counter*> finished;
  std::vector<prometheus::Counter*> rejected;
  std::vector<prometheus::Counter*> prompt_sources;  // computed, from the prefix cache, from afar
};

struct HistogramSeries {
  HistogramSeries(MetricMaker& make, std::int64_t max_tokens);
  prometheus::Histogram& first_token;
  prometheus::Histogram& token_interval;
  prometheus::Histogram& per_token;
  prometheus::Histogram& e2e;
  prometheus::Histogram& queue;
  prometheus::Histogram& inference;
  prometheus::Histogram& prefill;
  prometheus::Histogram& decode;
  prometheus::Histogram& prompt_tokens;
  prometheus::Histogram& computed_tokens;
  prometheus::Histogram& generation_tokens;
  prometheus::Histogram& longest_choice;
  prometheus::Histogram& n;
  prometheus::Histogram& max_tokens_asked;
  prometheus::Histogram& step_tokens;
  prometheus::Histogram& block_lifetime;
  prometheus::Histogram& block_idle;
  prometheus::Histogram& block_reuse_gap;
};

struct MetricSeries {
  explicit MetricSeries(const MetricsOptions& options);

  prometheus::Registry registry;
  MetricMaker make;
  GaugeSeries gauges;
  CounterSeries counters;
  HistogramSeries histograms;
  const std::vector<std::string> handlers;
  prometheus::Family<prometheus::Counter>& http_requests;
  prometheus::Family<prometheus::Histogram>& http_seconds;
  std::mutex scrape;  // so that a scrape shows one snapshot
};

}  // namespace fathom::serve
