// The text that Prometheus reads: exact, valid, documented, and closed to names from outside.
#include "serve/metrics/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace fathom::serve {
namespace {

MetricsOptions options(MetricNames names = MetricNames::kFathom) {
  return {.names = names,
          .model_name = "tiny",
          .max_context_tokens = 100,
          .max_draft_tokens = 3,
          .cache = {16, 64, "float16", true},
          .handlers = {"/v1/completions", "/metrics"}};
}

FinishedRequest finished() {
  return {.reason = FinishReason::kLength,
          .num_prompt_tokens = 30,
          .num_cached_tokens = 16,
          .num_recomputed_tokens = 7,
          .num_generation_tokens = 11,
          .is_corrupted = true,
          .max_tokens = 11,
          .e2e_seconds = 1.0,
          .queue_seconds = 0.25,
          .prefill_seconds = 0.25,
          .decode_seconds = 0.5};
}

// Everything once.
void record_all(Metrics& metrics) {
  metrics.record_step(8);
  metrics.record_first_token(0.5);
  metrics.record_token_interval(0.05, 1);
  metrics.record_token_interval(0.06, 3);
  metrics.record_finished(finished());
  metrics.record_rejected(RejectReason::kQueueFull);
  metrics.record_prefix_cache(30, 16);
  metrics.record_preemption();
  metrics.record_choices(2, 11);
  metrics.record_speculation({2, 10, std::vector<std::int64_t>{2, 1}});
  metrics.record_block_reuse(0.25);
  metrics.record_block_eviction(40, 3);
  metrics.record_http("POST", "/v1/completions", 200, 0.3);
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) found.push_back(line);
  return found;
}

// One sample: its name, its labels as written, its value as written.
struct Sample {
  std::string name;
  std::string labels;
  std::string value;
};

Sample parse_sample(const std::string& line) {
  const std::size_t brace = line.find('{');
  const std::size_t end = line.rfind('}');
  EXPECT_NE(brace, std::string::npos) << line;
  EXPECT_EQ(line.substr(end, 2), "} ") << line;
  return {line.substr(0, brace), line.substr(brace + 1, end - brace - 1), line.substr(end + 2)};
}

// The labels' names and values; checks the format on the way.
std::map<std::string, std::string> parse_labels(const std::string& text) {
  std::map<std::string, std::string> labels;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t equals = text.find("=\"", at);
    EXPECT_NE(equals, std::string::npos) << text;
    const std::string name = text.substr(at, equals - at);
    std::string value;
    at = equals + 2;
    while (at < text.size() && text[at] != '"') {
      if (text[at] == '\\') value += text[at++];
      value += text[at++];
    }
    EXPECT_TRUE(labels.emplace(name, value).second) << text;
    at += text.compare(at, 2, "\",") == 0 ? 2 : 1;
  }
  return labels;
}

struct FamilyText {
  std::string type;
  std::string help;
  std::vector<Sample> samples;
};

// Families by name; a HELP and a TYPE line stand once before a family's samples.
std::map<std::string, FamilyText> parse(const std::string& text) {
  std::map<std::string, FamilyText> families;
  std::string current;
  for (const std::string& line : lines(text)) {
    const std::size_t blank = line.find(' ', 7);
    if (line.starts_with("# HELP ")) {
      current = line.substr(7, blank - 7);
      EXPECT_TRUE(families.emplace(current, FamilyText{"", line.substr(blank + 1), {}}).second);
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_EQ(line.substr(7, blank - 7), current);
      families[current].type = line.substr(blank + 1);
    } else {
      const Sample sample = parse_sample(line);
      EXPECT_TRUE(sample.name.starts_with(current)) << line;
      families[current].samples.push_back(sample);
    }
  }
  return families;
}

double value_of(const std::string& text, const std::string& name, const std::string& label = "") {
  double sum = std::nan("");
  for (const auto& [family, content] : parse(text)) {
    for (const Sample& sample : content.samples) {
      if (sample.name != name || sample.labels.find(label) == std::string::npos) continue;
      sum = (std::isnan(sum) ? 0 : sum) + std::stod(sample.value);
    }
  }
  return sum;
}

// Blocks that must be there; @ stands for the labels that all have.
constexpr const char* kExact = R"(# HELP fathom_num_requests_running Requests in the running batch.
# TYPE fathom_num_requests_running gauge
fathom_num_requests_running{@} 3

fathom_num_requests_waiting{@} 2

fathom_kv_cache_usage_perc{@} 0.75

# HELP fathom_prompt_tokens_total Prompt tokens of ended requests.
# TYPE fathom_prompt_tokens_total counter
fathom_prompt_tokens_total{@} 30

fathom_generation_tokens_total{@} 11

fathom_prompt_tokens_cached_total{@} 16

fathom_prompt_tokens_recomputed_total{@} 7

fathom_prefix_cache_queries_total{@} 30

fathom_prefix_cache_hits_total{@} 16

fathom_num_preemptions_total{@} 1

fathom_spec_decode_num_drafts_total{@} 2

fathom_spec_decode_num_draft_tokens_total{@} 10

fathom_spec_decode_num_accepted_tokens_total{@} 3

fathom_spec_decode_num_accepted_tokens_per_pos_total{@,position="0"} 2

fathom_spec_decode_num_accepted_tokens_per_pos_total{@,position="1"} 1

fathom_spec_decode_num_accepted_tokens_per_pos_total{@,position="2"} 0

fathom_corrupted_requests_total{@} 1

fathom_engine_sleep_state{@,sleep_state="awake"} 1

fathom_engine_sleep_state{@,sleep_state="discard_all"} 0

fathom_prompt_tokens_by_source_total{@,source="local_compute"} 14

fathom_prompt_tokens_by_source_total{@,source="local_cache_hit"} 16

fathom_kv_block_reuse_gap_seconds_bucket{@,le="0.2"} 0

fathom_kv_block_reuse_gap_seconds_bucket{@,le="0.5"} 1

fathom_kv_block_lifetime_seconds_bucket{@,le="60"} 1

fathom_kv_block_idle_before_evict_seconds_bucket{@,le="5"} 1

fathom_request_prefill_kv_computed_tokens_bucket{@,le="20"} 1

fathom_request_success_total{@,finished_reason="length"} 1

fathom_request_success_total{@,finished_reason="error"} 0

fathom_admission_rejections_total{@,reason="queue_full"} 1

fathom_http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 1

# HELP fathom_request_params_n A request's n.
# TYPE fathom_request_params_n histogram
fathom_request_params_n_count{@} 1
fathom_request_params_n_sum{@} 2
fathom_request_params_n_bucket{@,le="1"} 0
fathom_request_params_n_bucket{@,le="2"} 1
fathom_request_params_n_bucket{@,le="5"} 1
fathom_request_params_n_bucket{@,le="10"} 1
fathom_request_params_n_bucket{@,le="20"} 1
fathom_request_params_n_bucket{@,le="+Inf"} 1

)";

TEST(MetricsTest, WritesExactText) {
  Metrics metrics(options());
  record_all(metrics);
  const std::string text = "\n" + metrics.expose({3, 2, 0.75});
  std::string block = "\n";
  for (std::string line : lines(kExact)) {
    if (const auto at = line.find('@'); at != std::string::npos) {
      line.replace(at, 1, R"(engine="0",model_name="tiny")");
    }
    if (!line.empty()) {
      block += line + "\n";
      continue;
    }
    EXPECT_NE(text.find(block), std::string::npos) << block << "\n" << text;
    block = "\n";
  }
}

TEST(MetricsTest, CountsWhatItIsTold) {
  Metrics metrics(options());
  record_all(metrics);
  const std::string text = metrics.expose({});
  EXPECT_EQ(value_of(text, "fathom_inter_token_latency_seconds_count"), 4);
  EXPECT_DOUBLE_EQ(value_of(text, "fathom_inter_token_latency_seconds_sum"), 0.05 + 3 * 0.06);
  // 0.05 is in the bucket up to 0.05, 0.06 in the next.
  EXPECT_EQ(value_of(text, "fathom_inter_token_latency_seconds_bucket", "le=\"0.05\""), 1);
  EXPECT_EQ(value_of(text, "fathom_inter_token_latency_seconds_bucket", "le=\"0.075\""), 4);
  EXPECT_DOUBLE_EQ(value_of(text, "fathom_request_inference_time_seconds_sum"), 0.75);
  EXPECT_DOUBLE_EQ(value_of(text, "fathom_request_time_per_output_token_seconds_sum"), 0.05);
  EXPECT_DOUBLE_EQ(value_of(text, "fathom_time_to_first_token_seconds_sum"), 0.5);
  EXPECT_EQ(value_of(text, "fathom_iteration_tokens_total_bucket", "le=\"8\""), 1);
  EXPECT_EQ(value_of(text, "fathom_request_prompt_tokens_bucket", "le=\"20\""), 0);
  EXPECT_EQ(value_of(text, "fathom_request_prompt_tokens_bucket", "le=\"50\""), 1);
  EXPECT_TRUE(std::isnan(value_of(text, "fathom_request_prompt_tokens_bucket", "le=\"200\"")));
}

TEST(MetricsTest, HasTheNamesThatDashboardsKnow) {
  Metrics metrics(options(MetricNames::kVllm));
  record_all(metrics);
  const auto families = parse(metrics.expose({1, 1, 1}));
  std::set<std::string> names;
  for (const auto& [name, content] : families) names.insert(name);
  std::set<std::string> expected = {"http_requests_total", "http_request_duration_seconds"};
  for (const char* name : {"num_requests_running",
                           "num_requests_waiting",
                           "kv_cache_usage_perc",
                           "lora_requests_info",
                           "cache_config_info",
                           "prefix_cache_queries_total",
                           "prefix_cache_hits_total",
                           "num_preemptions_total",
                           "prompt_tokens_total",
                           "generation_tokens_total",
                           "request_success_total",
                           "prompt_tokens_cached_total",
                           "prompt_tokens_recomputed_total",
                           "spec_decode_num_drafts_total",
                           "spec_decode_num_draft_tokens_total",
                           "spec_decode_num_accepted_tokens_total",
                           "admission_rejections_total",
                           "corrupted_requests_total",
                           "engine_sleep_state",
                           "prompt_tokens_by_source_total",
                           "spec_decode_num_accepted_tokens_per_pos_total",
                           "request_prefill_kv_computed_tokens",
                           "kv_block_lifetime_seconds",
                           "kv_block_idle_before_evict_seconds",
                           "kv_block_reuse_gap_seconds",
                           "time_to_first_token_seconds",
                           "inter_token_latency_seconds",
                           "request_time_per_output_token_seconds",
                           "e2e_request_latency_seconds",
                           "request_queue_time_seconds",
                           "request_inference_time_seconds",
                           "request_prefill_time_seconds",
                           "request_decode_time_seconds",
                           "request_prompt_tokens",
                           "request_generation_tokens",
                           "request_max_num_generation_tokens",
                           "request_params_n",
                           "request_params_max_tokens",
                           "iteration_tokens_total"}) {
    expected.insert(std::string("vllm:") + name);
  }
  EXPECT_EQ(names, expected);
  const std::string cache = families.at("vllm:cache_config_info").samples.at(0).labels;
  for (const char* label : {R"(block_size="16")", R"(num_gpu_blocks="64")",
                            R"(cache_dtype="float16")", R"(enable_prefix_caching="True")"}) {
    EXPECT_NE(cache.find(label), std::string::npos) << cache;
  }
}

TEST(MetricsTest, IsValidExposition) {
  for (const MetricNames names : {MetricNames::kFathom, MetricNames::kVllm}) {
    MetricsOptions hostile = options(names);
    hostile.model_name = "a\"b\\c\nd";
    Metrics metrics(hostile);
    record_all(metrics);
    const std::string text = metrics.expose({1, 2, 0.5});
    EXPECT_EQ(text.back(), '\n');
    for (const auto& [name, family] : parse(text)) {
      EXPECT_NE(family.type, "") << name;
      EXPECT_NE(family.help, "") << name;
      ASSERT_FALSE(family.samples.empty()) << name;
      EXPECT_EQ(family.type == "counter", name.ends_with("_total") && family.type != "histogram");
      double last_bound = -1;
      double last_count = -1;
      double count = -1;
      for (const Sample& sample : family.samples) {
        const auto labels = parse_labels(sample.labels);
        if (!name.starts_with("http") && name.find("_http") == std::string::npos) {
          EXPECT_EQ(labels.at("engine"), "0");
          EXPECT_EQ(labels.at("model_name"), "a\\\"b\\\\c\\nd");
        }
        const double value = std::stod(sample.value);
        if (sample.name == name + "_count") count = value;
        if (sample.name != name + "_bucket") continue;
        const double bound = labels.at("le") == "+Inf" ? std::numeric_limits<double>::infinity()
                                                       : std::stod(labels.at("le"));
        EXPECT_GT(bound, last_bound) << name;
        EXPECT_GE(value, last_count) << name;
        last_bound = bound;
        last_count = value;
      }
      if (family.type != "histogram") continue;
      EXPECT_TRUE(std::isinf(last_bound)) << name;
      EXPECT_EQ(last_count, count) << name;
    }
  }
}

TEST(MetricsTest, TakesNoNamesFromOutside) {
  Metrics metrics(options());
  metrics.record_http("POST", "/v1/completions", 200, 0.1);
  metrics.record_http("BREW", "/0", 200, 0.1);
  const std::size_t size = metrics.expose({}).size();
  for (int i = 0; i < 1000; ++i) {
    metrics.record_http("BREW" + std::to_string(i), "/" + std::to_string(i), 200, 0.1);
  }
  const std::string text = metrics.expose({});
  EXPECT_LT(text.size(), size + 100);  // longer numbers only
  EXPECT_EQ(value_of(text, "fathom_http_requests_total", R"(handler="none",method="other")"), 1001);
  for (int status = -1000; status < 10'000; ++status) {
    metrics.record_http("GET", "/metrics", status, 0.1);
  }
  EXPECT_EQ(parse(metrics.expose({})).at("fathom_http_requests_total").samples.size(), 8U);
}

TEST(MetricsTest, StandsWrongNumbers) {
  Metrics metrics(options());
  const double nan = std::nan("");
  metrics.record_step(-1);
  metrics.record_token_interval(nan, 2);
  metrics.record_token_interval(1, -2);
  metrics.record_first_token(-1);
  metrics.record_prefix_cache(-5, -5);
  metrics.record_finished({.num_prompt_tokens = -1, .e2e_seconds = nan, .decode_seconds = -3});
  metrics.record_http("", "", -1, nan);
  const std::string text = metrics.expose({-1, -1, nan});
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("Nan"), std::string::npos);
  EXPECT_EQ(text.find(" -"), std::string::npos);
  EXPECT_EQ(value_of(text, "fathom_inter_token_latency_seconds_count"), 2);
}

TEST(MetricsTest, LosesNothingFromManyThreads) {
  Metrics metrics(options());
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&metrics, t] {
      for (int i = 0; i < kRounds; ++i) {
        record_all(metrics);
        if (i % 50 == t) metrics.expose({i, t, 0.5});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = metrics.expose({});
  constexpr double kTotal = kThreads * kRounds;
  EXPECT_EQ(value_of(text, "fathom_request_success_total"), kTotal);
  EXPECT_EQ(value_of(text, "fathom_prompt_tokens_total"), 30 * kTotal);
  EXPECT_EQ(value_of(text, "fathom_inter_token_latency_seconds_count"), 4 * kTotal);
  EXPECT_EQ(value_of(text, "fathom_http_requests_total"), kTotal);
  EXPECT_EQ(value_of(text, "fathom_http_request_duration_seconds_count"), kTotal);
}

// docs/metrics.md has a row for each metric, and no other.
TEST(MetricsTest, AreDocumented) {
  Metrics metrics(options());
  record_all(metrics);
  std::set<std::string> expected;
  for (const auto& [name, family] : parse(metrics.expose({}))) {
    std::string labels;
    for (const auto& [label, value] : parse_labels(family.samples.at(0).labels)) {
      if (label == "model_name" || label == "engine" || label == "le") continue;
      labels += (labels.empty() ? "" : ", ") + label;
    }
    expected.insert("|`" + name.substr(7) + "`|" + family.type + "|" + labels + "|" + family.help +
                    "|");
  }
  std::set<std::string> rows;
  std::ifstream file(FATHOM_SOURCE_DIR "/docs/metrics.md");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("|`")) rows.insert(line);
  }
  for (const std::string& row : expected) EXPECT_TRUE(rows.contains(row)) << "missing: " << row;
  for (const std::string& row : rows) EXPECT_TRUE(expected.contains(row)) << "no such: " << row;
}

}  // namespace
}  // namespace fathom::serve
