// Prometheus's text, also when it is garbage, and what two readings of it say.
#include "diagnose/server/server_rates.h"

#include <gtest/gtest.h>

#include <string>

#include "diagnose/server/metrics_reading.h"

namespace fathom::diagnose {
namespace {

MetricsReading read(const std::string& text) {
  auto reading = MetricsReading::parse(text);
  EXPECT_TRUE(reading) << reading.error().text();
  return *std::move(reading);
}

TEST(MetricsReading, SumsSeriesUnderEitherPrefix) {
  const std::string text =
      "# HELP fathom_num_requests_running Requests.\n"
      "# TYPE fathom_num_requests_running gauge\r\n"
      "PREFIXnum_requests_running{model_name=\"a, \\\"b\\\" \\\\ c}\",engine=\"0\"} 3\n"
      "PREFIXnum_requests_running{model_name=\"d\",engine=\"1\"} 4.5 1700000000\n"
      "python_gc_objects_collected_total{generation=\"0\"} 1e3\n\n";
  for (const char* const prefix : {"fathom_", "vllm:"}) {
    std::string named = text;
    for (auto at = named.find("PREFIX"); at != std::string::npos; at = named.find("PREFIX")) {
      named.replace(at, 6, prefix);
    }
    const MetricsReading reading = read(named);
    EXPECT_TRUE(reading.is_known());
    EXPECT_DOUBLE_EQ(*reading.sum("num_requests_running"), 7.5);
    EXPECT_FALSE(reading.sum("num_requests_waiting"));
    EXPECT_EQ(*reading.label("num_requests_running", "model_name"), "a, \"b\" \\ c}");
    EXPECT_EQ(reading.sums_by("num_requests_running", "engine").at("1"), 4.5);
  }
}

TEST(MetricsReading, RefusesGarbage) {
  for (const std::string& text :
       {std::string("<html>"), std::string("fathom_x{a=\"b} 1"), std::string("fathom_x{a} 1"),
        std::string("fathom_x one"), std::string("fathom_x"), std::string("\x00\xff\x01 1", 5),
        std::string("{} 1"), std::string("fathom_x{a=\"b\"")}) {
    EXPECT_FALSE(MetricsReading::parse(text)) << text;
  }
  EXPECT_FALSE(read("other_metric 1\n").is_known());
  std::string many;
  for (int i = 0; i < 200'001; ++i) many += "vllm:x 1\n";
  EXPECT_FALSE(MetricsReading::parse(many));
}

std::string at(double running, double waiting, double usage, double scale) {
  const auto number = [&](double value) { return std::to_string(value * scale); };
  return "vllm:num_requests_running{model_name=\"m\"} " + std::to_string(running) +
         "\nvllm:num_requests_waiting " + std::to_string(waiting) + "\nvllm:kv_cache_usage_perc " +
         std::to_string(usage) +
         "\nvllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"100\"} 1"
         "\nvllm:prompt_tokens_total " +
         number(100) + "\nvllm:generation_tokens_total " + number(10) +
         "\nvllm:iteration_tokens_total_sum " + number(600) +
         "\nvllm:iteration_tokens_total_count " + number(30) +
         "\nvllm:inter_token_latency_seconds_count " + number(45) +
         "\nvllm:inter_token_latency_seconds_sum " + number(9) +
         "\nvllm:time_to_first_token_seconds_count " + number(5) +
         "\nvllm:request_queue_time_seconds_bucket{le=\"0.3\"} " + number(90) +
         "\nvllm:request_queue_time_seconds_bucket{le=\"1.5\"} " + number(98) +
         "\nvllm:request_queue_time_seconds_bucket{le=\"10.0\"} " + number(99) +
         "\nvllm:request_queue_time_seconds_bucket{le=\"+Inf\"} " + number(100) +
         "\nvllm:request_queue_time_seconds_sum " + number(50) +
         "\nvllm:request_queue_time_seconds_count " + number(100) +
         "\nvllm:request_success_total{finished_reason=\"error\"} " + number(2) +
         "\nvllm:num_preemptions_total 3\n";
}

TEST(ServerRates, AreThoseBetweenTwoReadings) {
  ServerFacts server;
  add_rates(read(at(2, 1, 0.25, 1)), read(at(4, 0, 0.75, 3)), 10, server);
  EXPECT_EQ(server.model, "m");
  EXPECT_DOUBLE_EQ(*server.running, 3);
  EXPECT_DOUBLE_EQ(*server.waiting, 0.5);
  EXPECT_DOUBLE_EQ(*server.kv_usage_percent, 75);
  EXPECT_DOUBLE_EQ(*server.kv_cache_tokens, 1600);
  EXPECT_DOUBLE_EQ(*server.prompt_tokens_per_s, 20);
  // Steps tell of tokens before their requests end: 90 intervals and 10 first tokens.
  EXPECT_DOUBLE_EQ(*server.generation_tokens_per_s, 10);
  EXPECT_DOUBLE_EQ(*server.steps_per_s, 6);
  EXPECT_DOUBLE_EQ(*server.tokens_per_step, 20);
  EXPECT_DOUBLE_EQ(*server.preemptions, 0);
  EXPECT_DOUBLE_EQ(*server.token_interval->mean_s, 0.2);
  EXPECT_DOUBLE_EQ(*server.queue_time->mean_s, 0.5);
  EXPECT_DOUBLE_EQ(*server.queue_time->p50_s, 0.3);
  EXPECT_DOUBLE_EQ(*server.queue_time->p99_s, 10);
  ASSERT_EQ(server.finished->size(), 1U);
  EXPECT_EQ(server.finished->front().reason, "error");
  EXPECT_DOUBLE_EQ(server.finished->front().count, 4);
  EXPECT_FALSE(*server.counters_reset);
  EXPECT_FALSE(server.rejections);
  EXPECT_FALSE(server.corrupted_requests);
}

TEST(ServerRates, NoticeCountersThatGoBack) {
  ServerFacts server;
  add_rates(read(at(2, 1, 0.5, 3)), read(at(2, 1, 0.5, 1)), 10, server);
  EXPECT_TRUE(*server.counters_reset);
  EXPECT_GE(*server.prompt_tokens_per_s, 0);
}

TEST(ServerRates, OfAServerThatTellsNothingAreNothing) {
  ServerFacts server;
  const MetricsReading empty = read("fathom_num_requests_running NaN\n");
  add_rates(empty, empty, 0, server);
  EXPECT_FALSE(server.prompt_tokens_per_s);
  EXPECT_FALSE(server.queue_time);
  EXPECT_DOUBLE_EQ(*server.running, 0);
}

TEST(HistogramChange, HasNoQuantileBeyondItsLastBound) {
  const MetricsReading before = read(
      "vllm:x_bucket{le=\"1\"} 0\nvllm:x_bucket{le=\"+Inf\"} 0\n"
      "vllm:x_count 0\nvllm:x_sum 0\n");
  const MetricsReading after = read(
      "vllm:x_bucket{le=\"1\"} 5\nvllm:x_bucket{le=\"+Inf\"} 10\n"
      "vllm:x_count 10\nvllm:x_sum 80\n");
  const auto change = change_of(before, after, "x");
  ASSERT_TRUE(change);
  EXPECT_DOUBLE_EQ(*change->quantile(0.5), 1);
  EXPECT_FALSE(change->quantile(0.99));
  EXPECT_FALSE(change_of(before, after, "y"));
}

}  // namespace
}  // namespace fathom::diagnose
