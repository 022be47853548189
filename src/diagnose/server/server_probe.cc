// GET requests with deadlines.
#include "diagnose/server/server_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "base/json.h"
#include "diagnose/quantity_text.h"
#include "diagnose/server/metrics_reading.h"
#include "diagnose/server/server_rates.h"
#include "net/http_client.h"

namespace fathom::diagnose {
namespace {

using base::Result;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxMetricsBytes = std::size_t{8} << 20;
constexpr std::size_t kMaxAnswerBytes = 64 << 10;

struct TimedReading {
  MetricsReading metrics;
  Clock::time_point time;
};

bool is_local(std::string_view url) {
  const std::size_t slashes = url.find("://");
  std::string_view host = slashes == std::string_view::npos ? url : url.substr(slashes + 3);
  host = host.substr(0, host.find('/'));
  if (host.starts_with("[")) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host.starts_with("127.");
}

// One server's conversation.
class ServerVisit {
 public:
  ServerVisit(const ServerQuestion& question, const std::string& url) : question_(question) {
    facts_.url = url;
    facts_.is_local = is_local(url);
  }

  void begin() {
    ask_health();
    if (facts_.problem) return;
    ask_version();
    first_ = read_metrics();
  }

  void end() {
    if (!first_) return;
    const auto second = read_metrics();
    if (!second) return;
    const std::chrono::duration<double> interval = second->time - first_->time;
    add_rates(first_->metrics, second->metrics, interval.count(), facts_);
  }

  ServerFacts release() { return std::move(facts_); }

 private:
  Result<std::pair<net::HttpReply, std::string>> get(const char* path, std::size_t max_bytes) {
    return client_.get_text({.url = facts_.url + path,
                             .bearer_token = question_.api_key,
                             .follow_redirects = false,
                             .timeout = question_.timeout},
                            max_bytes);
  }

  // Three times: the first opens the connection, the median says how long an answer takes.
  void ask_health() {
    constexpr std::size_t kTimes = 3;
    std::array<double, kTimes> answer_ms{};
    for (std::size_t i = 0; i < kTimes; ++i) {
      const auto answer = get("/health", kMaxAnswerBytes);
      if (!answer) {
        facts_.problem = answer.error().message;
        return;
      }
      const net::HttpReply& reply = answer->first;
      if (i == 0) facts_.connect_ms = static_cast<double>(reply.connect_time.count()) * 1e-3;
      answer_ms[i] = static_cast<double>(reply.answer_time.count()) * 1e-3;
      facts_.health_status = reply.status;
    }
    std::ranges::sort(answer_ms);
    facts_.health_ms = answer_ms[kTimes / 2];
  }

  void ask_version() {
    const auto answer = get("/version", kMaxAnswerBytes);
    if (!answer || answer->first.status != 200) return;
    const auto value = base::parse_json(answer->second, "/version");
    if (!value || !value->is_object()) return;
    const boost::json::value* const version = value->get_object().if_contains("version");
    if (version != nullptr && version->is_string()) {
      facts_.version = printable(std::string_view(version->get_string()));
    }
  }

  std::optional<TimedReading> read_metrics() {
    auto answer = get("/metrics", kMaxMetricsBytes);
    if (!answer) {
      facts_.metrics_problem = answer.error().message;
      return std::nullopt;
    }
    if (answer->first.status != 200) {
      facts_.metrics_problem = fmt::format("HTTP {}", answer->first.status);
      return std::nullopt;
    }
    auto reading = MetricsReading::parse(answer->second);
    if (!reading) {
      facts_.metrics_problem = reading.error().message;
      return std::nullopt;
    }
    if (!reading->is_known()) {
      facts_.metrics_problem = "none of the known names: no num_requests_running";
      return std::nullopt;
    }
    return TimedReading{.metrics = *std::move(reading), .time = Clock::now()};
  }

  const ServerQuestion& question_;
  net::HttpClient client_;
  ServerFacts facts_;
  std::optional<TimedReading> first_;
};

}  // namespace

std::vector<ServerFacts> probe_servers(const ServerQuestion& question) {
  std::vector<ServerVisit> visits;
  for (const std::string& url : question.urls) visits.emplace_back(question, url);
  for (ServerVisit& visit : visits) visit.begin();
  std::this_thread::sleep_for(question.interval);
  for (ServerVisit& visit : visits) visit.end();
  std::vector<ServerFacts> servers;
  for (ServerVisit& visit : visits) servers.push_back(visit.release());
  return servers;
}

}  // namespace fathom::diagnose
