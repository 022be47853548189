// prometheus-cpp's counters, gauges and histograms under our names.
#include "serve/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "serve/metrics/metric_buckets.h"

namespace fathom::serve {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;

constexpr std::array<const char*, 4> kFinishReasons = {"stop", "length", "abort", "error"};
constexpr std::array<const char*, 4> kRejectReasons = {"queue_full", "context_too_long",
                                                       "no_capacity", "draining"};
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

// Makes families with the prefix and the labels that all engine metrics have.
class Maker {
 public:
  Maker(prometheus::Registry& registry, const MetricsOptions& options)
      : registry_(registry),
        prefix_(options.names == MetricNames::kVllm ? "vllm:" : "fathom_"),
        http_prefix_(options.names == MetricNames::kVllm ? "" : "fathom_"),
        labels_{{"model_name", options.model_name}, {"engine", "0"}} {}

  Family<Counter>& counters(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter()
        .Name(prefix_ + name)
        .Help(help)
        .Labels(labels_)
        .Register(registry_);
  }
  Counter& counter(const std::string& name, const std::string& help) {
    return counters(name, help).Add({});
  }
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {}) {
    return prometheus::BuildGauge()
        .Name(prefix_ + name)
        .Help(help)
        .Labels(labels_)
        .Register(registry_)
        .Add(labels);
  }
  Histogram& histogram(const std::string& name, const std::string& help, const Buckets& buckets) {
    return prometheus::BuildHistogram()
        .Name(prefix_ + name)
        .Help(help)
        .Labels(labels_)
        .Register(registry_)
        .Add({}, buckets);
  }
  Family<Counter>& http_counters(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(http_prefix_ + name).Help(help).Register(registry_);
  }
  Family<Histogram>& http_histograms(const std::string& name, const std::string& help) {
    return prometheus::BuildHistogram().Name(http_prefix_ + name).Help(help).Register(registry_);
  }

 private:
  prometheus::Registry& registry_;
  const std::string prefix_;
  const std::string http_prefix_;
  const Labels labels_;
};

// One series for each value of a closed label: all are there from the beginning, at 0.
template <std::size_t N>
std::array<Counter*, N> label_all(Family<Counter>& family, const char* label,
                                  const std::array<const char*, N>& values) {
  std::array<Counter*, N> counters{};
  for (std::size_t i = 0; i < N; ++i) counters[i] = &family.Add({{label, values[i]}});
  return counters;
}

struct Gauges {
  explicit Gauges(Maker& make)
      : running(make.gauge("num_requests_running", "Requests in the running batch.")),
        waiting(make.gauge("num_requests_waiting", "Requests that wait for a place in it.")),
        kv_usage(make.gauge("kv_cache_usage_perc", "KV cache in use; 1 is all of it.")) {}
  Gauge& running;
  Gauge& waiting;
  Gauge& kv_usage;
};

struct Counters {
  explicit Counters(Maker& make)
      : cache_queries(make.counter("prefix_cache_queries_total",
                                   "Prompt tokens looked up in the prefix cache.")),
        cache_hits(
            make.counter("prefix_cache_hits_total", "Prompt tokens found in the prefix cache.")),
        preemptions(make.counter("num_preemptions_total", "Requests put back to be recomputed.")),
        prompt_tokens(make.counter("prompt_tokens_total", "Prompt tokens of ended requests.")),
        generation_tokens(
            make.counter("generation_tokens_total", "Tokens generated for ended requests.")),
        cached_tokens(make.counter("prompt_tokens_cached_total",
                                   "Prompt tokens not computed, of ended requests.")),
        recomputed_tokens(make.counter("prompt_tokens_recomputed_total",
                                       "Tokens computed again after a preemption.")),
        drafts(make.counter("spec_decode_num_drafts_total", "Drafts that were verified.")),
        draft_tokens(make.counter("spec_decode_num_draft_tokens_total", "Tokens drafted.")),
        accepted_tokens(make.counter("spec_decode_num_accepted_tokens_total",
                                     "Drafted tokens that were accepted.")),
        finished(label_all(make.counters("request_success_total", "Ended requests by reason."),
                           "finished_reason", kFinishReasons)),
        rejected(label_all(
            make.counters("admission_rejections_total", "Requests not admitted, by reason."),
            "reason", kRejectReasons)) {}
  Counter& cache_queries;
  Counter& cache_hits;
  Counter& preemptions;
  Counter& prompt_tokens;
  Counter& generation_tokens;
  Counter& cached_tokens;
  Counter& recomputed_tokens;
  Counter& drafts;
  Counter& draft_tokens;
  Counter& accepted_tokens;
  std::array<Counter*, kFinishReasons.size()> finished;
  std::array<Counter*, kRejectReasons.size()> rejected;
};

struct Histograms {
  Histograms(Maker& make, std::int64_t max_tokens)
      : first_token(make.histogram("time_to_first_token_seconds",
                                   "From a request's arrival to its first token.",
                                   first_token_buckets())),
        token_interval(make.histogram("inter_token_latency_seconds",
                                      "From one token of a request to the next.",
                                      token_interval_buckets())),
        per_token(make.histogram("request_time_per_output_token_seconds",
                                 "A request's mean time for each token after the first.",
                                 token_interval_buckets())),
        e2e(make.histogram("e2e_request_latency_seconds",
                           "From a request's arrival to its last token.",
                           request_seconds_buckets())),
        queue(make.histogram("request_queue_time_seconds",
                             "From a request's arrival to its first step.",
                             request_seconds_buckets())),
        inference(make.histogram("request_inference_time_seconds",
                                 "From a request's first step to its last token.",
                                 request_seconds_buckets())),
        prefill(make.histogram("request_prefill_time_seconds",
                               "From a request's first step to its first token.",
                               request_seconds_buckets())),
        decode(make.histogram("request_decode_time_seconds",
                              "From a request's first token to its last.",
                              request_seconds_buckets())),
        prompt_tokens(make.histogram("request_prompt_tokens", "A request's prompt tokens.",
                                     token_count_buckets(max_tokens))),
        generation_tokens(make.histogram("request_generation_tokens",
                                         "A request's generated tokens.",
                                         token_count_buckets(max_tokens))),
        longest_choice(make.histogram("request_max_num_generation_tokens",
                                      "The generated tokens of a request's longest choice.",
                                      token_count_buckets(max_tokens))),
        n(make.histogram("request_params_n", "A request's n.", num_choices_buckets())),
        max_tokens_asked(make.histogram("request_params_max_tokens", "A request's max_tokens.",
                                        token_count_buckets(max_tokens))),
        step_tokens(make.histogram("iteration_tokens_total", "Tokens of a step of the engine.",
                                   step_tokens_buckets())) {}
  Histogram& first_token;
  Histogram& token_interval;
  Histogram& per_token;
  Histogram& e2e;
  Histogram& queue;
  Histogram& inference;
  Histogram& prefill;
  Histogram& decode;
  Histogram& prompt_tokens;
  Histogram& generation_tokens;
  Histogram& longest_choice;
  Histogram& n;
  Histogram& max_tokens_asked;
  Histogram& step_tokens;
};

}  // namespace

struct Metrics::Series {
  explicit Series(const MetricsOptions& options)
      : make(registry, options),
        gauges(make),
        counters(make),
        histograms(make, options.max_context_tokens),
        handlers(options.handlers),
        http_requests(make.http_counters("http_requests_total",
                                         "HTTP answers by method, route and class of status.")),
        http_seconds(make.http_histograms("http_request_duration_seconds",
                                          "From an HTTP request to the end of its answer.")) {
    const CacheConfigLabels& cache = options.cache;
    make.gauge("cache_config_info", "The KV cache, as labels.",
               {{"block_size", std::to_string(cache.block_size_tokens)},
                {"num_gpu_blocks", std::to_string(cache.num_blocks)},
                {"cache_dtype", cache.cache_dtype},
                {"enable_prefix_caching", cache.has_prefix_caching ? "True" : "False"}})
        .Set(1);
    make.gauge("lora_requests_info", "Adapters in use, as labels; there are none.",
               {{"max_lora", "0"}, {"running_lora_adapters", ""}, {"waiting_lora_adapters", ""}})
        .Set(1);
  }

  prometheus::Registry registry;
  Maker make;
  Gauges gauges;
  Counters counters;
  Histograms histograms;
  const std::vector<std::string> handlers;
  Family<Counter>& http_requests;
  Family<Histogram>& http_seconds;
  std::mutex scrape;  // so that a scrape shows one snapshot
};

Metrics::Metrics(const MetricsOptions& options) : series_(std::make_unique<Series>(options)) {}
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
  Counters& counters = series_->counters;
  counters.finished[static_cast<std::size_t>(request.reason)]->Increment();
  counters.prompt_tokens.Increment(amount(request.num_prompt_tokens));
  counters.generation_tokens.Increment(amount(request.num_generation_tokens));
  counters.cached_tokens.Increment(amount(request.num_cached_tokens));
  counters.recomputed_tokens.Increment(amount(request.num_recomputed_tokens));

  Histograms& histograms = series_->histograms;
  const double prefill = non_negative(request.prefill_seconds);
  const double decode = non_negative(request.decode_seconds);
  histograms.e2e.Observe(non_negative(request.e2e_seconds));
  histograms.queue.Observe(non_negative(request.queue_seconds));
  histograms.prefill.Observe(prefill);
  histograms.decode.Observe(decode);
  histograms.inference.Observe(prefill + decode);
  const double num_later = amount(request.max_num_generation_tokens - 1);
  histograms.per_token.Observe(num_later > 0 ? decode / num_later : 0);
  histograms.prompt_tokens.Observe(amount(request.num_prompt_tokens));
  histograms.generation_tokens.Observe(amount(request.num_generation_tokens));
  histograms.longest_choice.Observe(amount(request.max_num_generation_tokens));
  histograms.n.Observe(amount(request.n));
  if (request.max_tokens) histograms.max_tokens_asked.Observe(amount(*request.max_tokens));
}

void Metrics::record_rejected(RejectReason reason) {
  series_->counters.rejected[static_cast<std::size_t>(reason)]->Increment();
}

void Metrics::record_prefix_cache(std::int64_t queries, std::int64_t hits) {
  series_->counters.cache_queries.Increment(amount(queries));
  series_->counters.cache_hits.Increment(amount(hits));
}

void Metrics::record_preemption() { series_->counters.preemptions.Increment(); }

void Metrics::record_speculation(std::int64_t drafts, std::int64_t draft_tokens,
                                 std::int64_t accepted) {
  series_->counters.drafts.Increment(amount(drafts));
  series_->counters.draft_tokens.Increment(amount(draft_tokens));
  series_->counters.accepted_tokens.Increment(amount(accepted));
}

void Metrics::record_http(std::string_view method, std::string_view handler, int status,
                          double seconds) {
  const auto& handlers = series_->handlers;
  const bool is_route = std::ranges::find(handlers, handler) != handlers.end();
  Labels labels = {{"method", method_label(method)},
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
