// A server as its clients see it: does it answer, does it refuse or fail, is load even.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kUnreachable{"server-unreachable", Severity::kError,
                                   "the server does not answer"};
constexpr FindingKind kUnhealthy{"server-unhealthy", Severity::kError,
                                 "/health answers with something other than 200"};
constexpr FindingKind kNoMetrics{"server-no-metrics", Severity::kWarning,
                                 "/metrics is not there, or has none of the known names"};
constexpr FindingKind kRestarted{"server-restarted", Severity::kWarning,
                                 "counters went back between the readings"};
constexpr FindingKind kFailed{"server-requests-failed", Severity::kError,
                              "requests ended in an error, or in logits that are not finite"};
constexpr FindingKind kRejected{"server-requests-rejected", Severity::kWarning,
                                "requests were refused"};
constexpr FindingKind kUneven{"server-uneven-load", Severity::kWarning,
                              "one replica has over 1.5 times the mean of requests"};
constexpr std::array kKinds{kUnreachable, kUnhealthy, kNoMetrics, kRestarted,
                            kFailed,      kRejected,  kUneven};

constexpr double kUnevenRatio = 1.5;
constexpr double kUnevenRequests = 3;

// "queue_full 12, draining 1"; empty: none.
std::string counts_text(const std::optional<std::vector<ReasonFacts>>& reasons) {
  std::string text;
  for (const ReasonFacts& each : reasons.value_or(std::vector<ReasonFacts>{})) {
    if (each.count <= 0) continue;
    text += fmt::format("{}{} {:.0f}", text.empty() ? "" : ", ", each.reason, each.count);
  }
  return text;
}

bool check_answer(const ServerFacts& server, Findings& findings) {
  if (server.problem) {
    findings.push_back(make_finding(
        kUnreachable, {.evidence = fmt::format("{}: {}.", server.url, *server.problem),
                       .consequence = "Clients get nothing.",
                       .fix = "Check address and port, that the server runs, and what lies between "
                              "(firewall, proxy). A server that stays silent hangs: its /livez "
                              "says so.",
                       .next_command = fmt::format("curl -sS -m 5 {}/livez", server.url)}));
    return false;
  }
  if (server.health_status && *server.health_status != 200) {
    findings.push_back(make_finding(
        kUnhealthy,
        {.evidence = fmt::format("{}/health answers {}.", server.url, *server.health_status),
         .consequence = "Load balancers send it no requests: it starts, drains, or has "
                        "lost its device.",
         .fix = "Read the answer's text and the server's log.",
         .next_command = fmt::format("curl -sS -m 5 {}/health", server.url)}));
  }
  if (server.metrics_problem) {
    findings.push_back(make_finding(
        kNoMetrics,
        {.evidence = fmt::format("{}/metrics: {}.", server.url, *server.metrics_problem),
         .consequence = "What limits this server cannot be said.",
         .fix = "Servers with keys want one for /metrics as well: --api-key-file. Known are "
                "Fathom's names and vLLM's.",
         .next_command = fmt::format("curl -sS -m 5 {}/metrics", server.url)}));
    return false;
  }
  return true;
}

void check_requests(const ServerFacts& server, Findings& findings) {
  if (server.counters_reset.value_or(false)) {
    findings.push_back(make_finding(
        kRestarted,
        {.evidence = fmt::format("{}: counters went back between two readings.", server.url),
         .consequence = "The server was started again, or the address leads to several "
                        "of them; rates of this run say nothing.",
         .fix = "Ask each replica by its own address; look for restarts in the log.",
         .next_command = fmt::format("fathom doctor --url {}", server.url)}));
  }
  double errors = server.corrupted_requests.value_or(0);
  for (const ReasonFacts& each : server.finished.value_or(std::vector<ReasonFacts>{})) {
    if (each.reason == "error") errors += each.count;
  }
  if (errors > 0) {
    findings.push_back(make_finding(
        kFailed, {.evidence = fmt::format("{}: {:.0f} requests failed in {:.1f} s (of these {:.0f} "
                                          "for logits that are not finite).",
                                          server.url, errors, server.interval_s.value_or(0),
                                          server.corrupted_requests.value_or(0)),
                  .consequence = "Their clients got an error instead of an answer.",
                  .fix = "Read the server's log; logits that are not finite point to damaged "
                         "weights or to a faulty GPU.",
                  .next_command = "fathom doctor --level 2"}));
  }
  const std::string rejected = counts_text(server.rejections);
  if (!rejected.empty()) {
    findings.push_back(make_finding(
        kRejected, {.evidence = fmt::format("{}: refused in {:.1f} s: {}.", server.url,
                                            server.interval_s.value_or(0), rejected),
                    .consequence = "Clients have to come again.",
                    .fix = "queue_full: more replicas, or --max-queue if waiting is better than "
                           "coming again. context_too_long, no_capacity: --max-context, "
                           "--kv-memory, --kv-dtype int8. draining: the server is stopping.",
                    .next_command = fmt::format("curl -sS -m 5 {}/metrics", server.url)}));
  }
}

double load_of(const ServerFacts& server) {
  return server.running.value_or(0) + server.waiting.value_or(0);
}

void check_evenness(const std::vector<ServerFacts>& servers, Findings& findings) {
  std::vector<const ServerFacts*> known;
  for (const ServerFacts& server : servers) {
    if (!server.problem && !server.metrics_problem && server.running) known.push_back(&server);
  }
  if (known.size() < 2) return;
  double total = 0;
  std::string each_text;
  for (const ServerFacts* const server : known) {
    total += load_of(*server);
    each_text += fmt::format("{}{} has {:.1f}", each_text.empty() ? "" : ", ", server->url,
                             load_of(*server));
  }
  const double mean = total / static_cast<double>(known.size());
  const auto most =
      std::ranges::max_element(known, {}, [](const auto* one) { return load_of(*one); });
  if (load_of(**most) < kUnevenRatio * mean || load_of(**most) < kUnevenRequests) return;
  findings.push_back(make_finding(
      kUneven, {.evidence = fmt::format("Requests running and waiting, on average {:.1f}: {}.",
                                        mean, each_text),
                .consequence = "The fullest replica sets the slowest answers, while others idle.",
                .fix = "Route by least requests instead of round robin; cap each replica by "
                       "--max-batch-size to what its GPU carries; spread long-lived connections. "
                       "Compressing gradients belongs to training.",
                .next_command = "fathom doctor --url URL1 --url URL2 --interval 30"}));
}

void check(const CheckInput& input, Findings& findings) {
  for (const ServerFacts& server : input.facts.servers) {
    if (check_answer(server, findings)) check_requests(server, findings);
  }
  check_evenness(input.facts.servers, findings);
}

}  // namespace

const Theme& server_theme() {
  static constexpr Theme kTheme{"Server: answers", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
