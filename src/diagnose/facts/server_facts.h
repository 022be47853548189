// ServerFacts: what a running server's /health, /version and two readings of /metrics say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/facts/field_visitor.h"

namespace fathom::diagnose {

// Of one histogram of seconds, between the two readings.
struct LatencyFacts {
  double count = 0;
  std::optional<double> mean_s;
  // Upper bound of the bucket that the quantile lies in, so never too small; nothing: beyond the
  // last bound.
  std::optional<double> p50_s;
  std::optional<double> p99_s;
};

template <SameFacts<LatencyFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("count", facts.count);
  visit("mean_s", facts.mean_s);
  visit("p50_s", facts.p50_s);
  visit("p99_s", facts.p99_s);
}

struct ReasonFacts {
  std::string reason;
  double count = 0;
};

template <SameFacts<ReasonFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("reason", facts.reason);
  visit("count", facts.count);
}

// Counts and rates are those between the two readings; nothing: the server does not tell.
struct ServerFacts {
  std::string url;
  std::optional<std::string> problem;          // it did not answer: why
  std::optional<std::string> metrics_problem;  // /metrics was not there or not readable: why
  std::optional<std::int64_t> health_status;   // of HTTP
  std::optional<std::string> version;
  std::optional<std::string> model;
  std::optional<bool> is_local;            // on this machine
  std::optional<double> connect_ms;        // until the connection stood: the network's
  std::optional<double> health_ms;         // then until /health was answered: the host's
  std::optional<double> interval_s;        // between the readings
  std::optional<bool> counters_reset;      // some went back: it was started again in between
  std::optional<double> running;           // requests, mean of the two readings
  std::optional<double> waiting;           // the same
  std::optional<double> kv_usage_percent;  // the larger of the two
  std::optional<double> kv_cache_tokens;
  std::optional<double> preemptions;
  std::optional<double> prompt_tokens_per_s;
  std::optional<double> generation_tokens_per_s;
  std::optional<double> steps_per_s;
  std::optional<double> tokens_per_step;
  std::optional<double> prefix_cache_hit_percent;
  std::optional<double> corrupted_requests;
  std::optional<std::vector<ReasonFacts>> rejections;
  std::optional<std::vector<ReasonFacts>> finished;
  std::optional<LatencyFacts> queue_time;
  std::optional<LatencyFacts> first_token;
  std::optional<LatencyFacts> token_interval;
};

template <SameFacts<ServerFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("url", facts.url);
  visit("problem", facts.problem);
  visit("metrics_problem", facts.metrics_problem);
  visit("health_status", facts.health_status);
  visit("version", facts.version);
  visit("model", facts.model);
  visit("is_local", facts.is_local);
  visit("connect_ms", facts.connect_ms);
  visit("health_ms", facts.health_ms);
  visit("interval_s", facts.interval_s);
  visit("counters_reset", facts.counters_reset);
  visit("running", facts.running);
  visit("waiting", facts.waiting);
  visit("kv_usage_percent", facts.kv_usage_percent);
  visit("kv_cache_tokens", facts.kv_cache_tokens);
  visit("preemptions", facts.preemptions);
  visit("prompt_tokens_per_s", facts.prompt_tokens_per_s);
  visit("generation_tokens_per_s", facts.generation_tokens_per_s);
  visit("steps_per_s", facts.steps_per_s);
  visit("tokens_per_step", facts.tokens_per_step);
  visit("prefix_cache_hit_percent", facts.prefix_cache_hit_percent);
  visit("corrupted_requests", facts.corrupted_requests);
  visit("rejections", facts.rejections);
  visit("finished", facts.finished);
  visit("queue_time", facts.queue_time);
  visit("first_token", facts.first_token);
  visit("token_interval", facts.token_interval);
}

}  // namespace fathom::diagnose
