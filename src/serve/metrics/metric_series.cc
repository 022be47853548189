// The families of metrics: names, help, labels, buckets.
#include "serve/metrics/metric_series.h"

#include <string_view>
#include <utility>

namespace fathom::serve {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

namespace {

const std::vector<std::string> kFinishReasons = {"stop", "length", "abort", "error"};
const std::vector<std::string> kRejectReasons = {"queue_full", "context_too_long", "no_capacity",
                                                 "draining"};
const std::vector<std::string> kPromptSources = {"local_compute", "local_cache_hit",
                                                 "external_kv_transfer"};

// "0", "1" and so on; one at least, so that the family is there when nothing is drafted.
std::vector<std::string> positions(std::int64_t max_draft_tokens) {
  std::vector<std::string> names = {"0"};
  for (std::int64_t i = 1; i < max_draft_tokens; ++i) names.push_back(std::to_string(i));
  return names;
}

// One series for each value of a closed label: all are there from the beginning, at 0.
std::vector<Counter*> label_all(Family<Counter>& family, const char* label,
                                const std::vector<std::string>& values) {
  std::vector<Counter*> counters;
  for (const std::string& value : values) counters.push_back(&family.Add({{label, value}}));
  return counters;
}

}  // namespace

MetricMaker::MetricMaker(prometheus::Registry& registry, const MetricsOptions& options)
    : registry_(registry),
      prefix_(options.names == MetricNames::kVllm ? "vllm:" : "fathom_"),
      http_prefix_(options.names == MetricNames::kVllm ? "" : "fathom_"),
      labels_{{"model_name", options.model_name}, {"engine", "0"}} {}

Family<Counter>& MetricMaker::counters(const std::string& name, const std::string& help) {
  return prometheus::BuildCounter()
      .Name(prefix_ + name)
      .Help(help)
      .Labels(labels_)
      .Register(registry_);
}

Counter& MetricMaker::counter(const std::string& name, const std::string& help) {
  return counters(name, help).Add({});
}

Gauge& MetricMaker::gauge(const std::string& name, const std::string& help,
                          const prometheus::Labels& labels) {
  return prometheus::BuildGauge()
      .Name(prefix_ + name)
      .Help(help)
      .Labels(labels_)
      .Register(registry_)
      .Add(labels);
}

Histogram& MetricMaker::histogram(const std::string& name, const std::string& help,
                                  const Buckets& buckets) {
  return prometheus::BuildHistogram()
      .Name(prefix_ + name)
      .Help(help)
      .Labels(labels_)
      .Register(registry_)
      .Add({}, buckets);
}

Family<Counter>& MetricMaker::http_counters(const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(http_prefix_ + name).Help(help).Register(registry_);
}

Family<Histogram>& MetricMaker::http_histograms(const std::string& name, const std::string& help) {
  return prometheus::BuildHistogram().Name(http_prefix_ + name).Help(help).Register(registry_);
}

GaugeSeries::GaugeSeries(MetricMaker& make)
    : running(make.gauge("num_requests_running", "Requests in the running batch.")),
      waiting(make.gauge("num_requests_waiting", "Requests that wait for a place in it.")),
      kv_usage(make.gauge("kv_cache_usage_perc", "KV cache in use; 1 is all of it.")) {}

CounterSeries::CounterSeries(MetricMaker& make, std::int64_t max_draft_tokens)
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
      corrupted(make.counter("corrupted_requests_total",
                             "Requests that ended because the model's logits were not finite.")),
      drafts(make.counter("spec_decode_num_drafts_total", "Drafts that were verified.")),
      draft_tokens(make.counter("spec_decode_num_draft_tokens_total", "Tokens drafted.")),
      accepted_tokens(make.counter("spec_decode_num_accepted_tokens_total",
                                   "Drafted tokens that were accepted.")),
      accepted_at(
          label_all(make.counters("spec_decode_num_accepted_tokens_per_pos_total",
                                  "Drafted tokens that were accepted, by position in the draft."),
                    "position", positions(max_draft_tokens))),
      finished(label_all(make.counters("request_success_total", "Ended requests by reason."),
                         "finished_reason", kFinishReasons)),
      rejected(label_all(
          make.counters("admission_rejections_total", "Requests not admitted, by reason."),
          "reason", kRejectReasons)),
      prompt_sources(
          label_all(make.counters("prompt_tokens_by_source_total",
                                  "Prompt tokens of ended requests by where they came from."),
                    "source", kPromptSources)) {}

HistogramSeries::HistogramSeries(MetricMaker& make, std::int64_t max_tokens)
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
                         "From a request's arrival to its last token.", request_seconds_buckets())),
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
      computed_tokens(make.histogram("request_prefill_kv_computed_tokens",
                                     "A request's prompt tokens that were computed.",
                                     token_count_buckets(max_tokens))),
      generation_tokens(make.histogram("request_generation_tokens", "A request's generated tokens.",
                                       token_count_buckets(max_tokens))),
      longest_choice(make.histogram("request_max_num_generation_tokens",
                                    "The generated tokens of a request's longest choice.",
                                    token_count_buckets(max_tokens))),
      n(make.histogram("request_params_n", "A request's n.", num_choices_buckets())),
      max_tokens_asked(make.histogram("request_params_max_tokens", "A request's max_tokens.",
                                      token_count_buckets(max_tokens))),
      step_tokens(make.histogram("iteration_tokens_total", "Tokens of a step of the engine.",
                                 step_tokens_buckets())),
      block_lifetime(make.histogram("kv_block_lifetime_seconds",
                                    "From a cached KV block's allocation to its eviction.",
                                    block_seconds_buckets())),
      block_idle(make.histogram("kv_block_idle_before_evict_seconds",
                                "From a cached KV block's last use to its eviction.",
                                block_seconds_buckets())),
      block_reuse_gap(make.histogram("kv_block_reuse_gap_seconds",
                                     "From a cached KV block's last use to its next.",
                                     block_seconds_buckets())) {}

MetricSeries::MetricSeries(const MetricsOptions& options)
    : make(registry, options),
      gauges(make),
      counters(make, options.max_draft_tokens),
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
  for (const char* const state : {"awake", "weights_offloaded", "discard_all"}) {
    make.gauge("engine_sleep_state", "1 for the state that the engine is in; it never sleeps.",
               {{"sleep_state", state}})
        .Set(state == std::string_view("awake") ? 1 : 0);
  }
}

}  // namespace fathom::serve
