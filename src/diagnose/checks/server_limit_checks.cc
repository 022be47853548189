// Which limit a server is at: queue, KV cache, compute, memory bandwidth, host, network.
//
// Two questions. What holds requests back: the cache or the batch. And what bounds a step: bytes,
// products, the host, or the way to the client.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "diagnose/checks/theme.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kIdle{"server-idle", Severity::kInfo,
                            "nothing ran between the readings: no limit can be told"};
constexpr FindingKind kKvCache{"server-limit-kv-cache", Severity::kWarning,
                               "requests wait or were paused because the KV cache is full"};
constexpr FindingKind kQueue{"server-limit-queue", Severity::kWarning,
                             "p99 queue time over 1 s, or requests wait, with KV cache left"};
constexpr FindingKind kNetwork{"server-limit-network", Severity::kWarning,
                               "connecting takes over 100 ms, or five token intervals"};
constexpr FindingKind kHost{
    "server-limit-host", Severity::kWarning,
    "/health takes over 250 ms, or requests run and the GPU waits or processors are short"};
constexpr FindingKind kCompute{"server-limit-compute", Severity::kInfo,
                               "steps have so many tokens that products bound them"};
constexpr FindingKind kBandwidth{"server-limit-memory-bandwidth", Severity::kInfo,
                                 "steps have so few tokens that reading the weights bounds them"};
constexpr std::array kKinds{kIdle, kKvCache, kQueue, kNetwork, kHost, kCompute, kBandwidth};

constexpr double kFullPercent = 90;
constexpr double kQueueSeconds = 1;
constexpr double kSlowConnectMs = 100;
constexpr double kSlowHealthMs = 250;
constexpr double kLowUtilizationPercent = 50;
constexpr double kHighLoad = 1.5;
// Tokens of a step at which 16-bit products take as long as reading the weights: FLOP/s over
// bytes/s. GPUs of the last years lie between 75 and 300, processors near 20.
constexpr double kGpuRidgeTokens = 150;
constexpr double kCpuRidgeTokens = 20;

std::string seconds_text(const std::optional<double>& seconds) {
  return seconds ? fmt::format("{:.3g} s", *seconds) : std::string("beyond the last bucket");
}

double waiting_p99_s(const ServerFacts& server) {
  if (!server.queue_time || server.queue_time->count <= 0) return 0;
  return server.queue_time->p99_s.value_or(1e9);
}

std::string queue_text(const ServerFacts& server) {
  std::string text = fmt::format("{}: {:.1f} requests run, {:.1f} wait", server.url,
                                 server.running.value_or(0), server.waiting.value_or(0));
  if (server.queue_time && server.queue_time->count > 0) {
    text += fmt::format(", p99 queue time at most {}", seconds_text(server.queue_time->p99_s));
  }
  if (server.kv_usage_percent)
    text += fmt::format(", KV cache {:.0f} % full", *server.kv_usage_percent);
  if (server.preemptions) text += fmt::format(", {:.0f} pauses", *server.preemptions);
  return text + ".";
}

std::string kv_remedy(const CheckInput& input, const ServerFacts& server) {
  std::string text = "--kv-dtype int8 (fp8 on sm_89 and later) holds about twice the tokens";
  if (server.kv_cache_tokens) text += fmt::format(" (now {:.0f})", *server.kv_cache_tokens);
  if (input.model != nullptr) {
    text += fmt::format(": {} instead of {} KiB for each", input.model->kv_per_token_8_bit >> 10,
                        input.model->kv_per_token_16_bit >> 10);
  }
  return text +
         "; --kv-memory gives it more memory; --dtype fp8 leaves it more of the GPU; --max-context "
         "and max_tokens of requests lower what each holds. Then another replica.";
}

void check_admission(const CheckInput& input, const ServerFacts& server, Findings& findings) {
  const bool waits = server.waiting.value_or(0) >= 0.5 || waiting_p99_s(server) > kQueueSeconds;
  const bool is_paused = server.preemptions.value_or(0) > 0;
  const bool is_full = server.kv_usage_percent.value_or(0) >= kFullPercent;
  if (is_paused || (is_full && waits)) {
    findings.push_back(make_finding(
        kKvCache, {.evidence = queue_text(server),
                   .consequence = is_paused ? "Paused requests are computed again from their "
                                              "beginning: work is done twice."
                                            : "Requests wait for others to end and free blocks.",
                   .fix = kv_remedy(input, server),
                   .next_command = fmt::format("curl -sS {}/metrics | grep -E 'kv_cache|preempt'",
                                               server.url)}));
  } else if (waits) {
    findings.push_back(make_finding(
        kQueue,
        {.evidence = queue_text(server),
         .consequence = "Clients wait before anything is computed for them. The number that "
                        "counts is the time in the queue, not its depth.",
         .fix = "The cache has room, so the batch is the bound: raise --max-batch-size while the "
                "time between tokens is still good, else add a replica.",
         .next_command = fmt::format("curl -sS {}/metrics | grep -E 'queue_time|running|waiting'",
                                     server.url)}));
  }
}

// What shows that the host holds the server up; empty: nothing does.
std::string host_evidence(const CheckInput& input, const ServerFacts& server) {
  if (server.health_ms.value_or(0) > kSlowHealthMs) {
    return fmt::format("/health, which computes nothing, takes {:.0f} ms after connecting",
                       *server.health_ms);
  }
  if (!server.is_local.value_or(false) || server.running.value_or(0) < 1) return "";
  if (input.facts.gpus.size() == 1) {
    const double utilization = input.facts.gpus.front().utilization_percent.value_or(100);
    if (utilization >= kLowUtilizationPercent) return "";
    return fmt::format("{:.1f} requests run, and the GPU has a kernel in {:.0f} % of the time",
                       *server.running, utilization);
  }
  const ProcessorFacts& processor = input.facts.host.processor;
  const auto num_online = static_cast<double>(processor.num_online.value_or(0));
  if (num_online > 0 && processor.load_1_min.value_or(0) > kHighLoad * num_online) {
    return fmt::format("{:.1f} requests run, and {:.1f} tasks want {:.0f} processors",
                       *server.running, *processor.load_1_min, num_online);
  }
  return "";
}

// Whether a finding says that what bounds a step is not the device.
bool check_ways(const CheckInput& input, const ServerFacts& server, Findings& findings) {
  const double interval_ms =
      server.token_interval ? 1e3 * server.token_interval->mean_s.value_or(0) : 0;
  const double connect_ms = server.connect_ms.value_or(0);
  if (connect_ms > kSlowConnectMs ||
      (interval_ms > 0 && connect_ms > 5 * interval_ms && connect_ms > kSlowConnectMs / 5)) {
    findings.push_back(make_finding(
        kNetwork,
        {.evidence = fmt::format(
             "{}: a connection takes {:.0f} ms{}.", server.url, connect_ms,
             interval_ms > 0
                 ? fmt::format("; the server makes a token every {:.1f} ms", interval_ms)
                 : std::string()),
         .consequence = "First tokens are late by the way there and back, not by the model.",
         .fix = "Keep connections open, place clients nearer, look at proxies that buffer streams.",
         .next_command =
             fmt::format("curl -sS -o /dev/null -w '%{{time_connect}} %{{time_total}}\\n'"
                         " {}/health",
                         server.url)}));
    return true;
  }
  const std::string evidence = host_evidence(input, server);
  if (evidence.empty()) return false;
  findings.push_back(make_finding(
      kHost, {.evidence = fmt::format("{}: {}.", server.url, evidence),
              .consequence = "The host does not keep up: the device waits for it.",
              .fix = "Look at load, CPU quota and swap of its machine; give the server processors "
                     "of its own. On a GPU keep recorded steps (no CUDA_LAUNCH_BLOCKING).",
              .next_command = "top -b -n 1 | head -20"}));
  return true;
}

double ridge_tokens(const CheckInput& input, const ServerFacts& server, std::string& source) {
  const auto& measured = input.facts.measured;
  if (server.is_local.value_or(false) && measured && !measured->devices.empty()) {
    const DeviceRateFacts& device = measured->devices.front();
    if (device.read_gb_per_s.value_or(0) > 0 && device.dot_tflop_per_s) {
      source = "measured here";
      return 1e3 * *device.dot_tflop_per_s / *device.read_gb_per_s;
    }
  }
  const bool is_cpu = server.is_local.value_or(false) && input.facts.gpus.empty();
  source = is_cpu ? "a usual figure for processors" : "a usual figure for GPUs";
  return is_cpu ? kCpuRidgeTokens : kGpuRidgeTokens;
}

void check_step(const CheckInput& input, const ServerFacts& server, Findings& findings) {
  // Servers that do not count tokens of a step: one for each running request, at least.
  const double tokens = server.tokens_per_step.value_or(server.running.value_or(0));
  if (tokens <= 0) return;
  std::string source;
  const double ridge = ridge_tokens(input, server, source);
  std::string evidence = fmt::format(
      "{}: {:.1f} tokens a step; products bound a step from about {:.0f} on ({}). {:.1f} tokens/s "
      "out, {:.1f} in.",
      server.url, tokens, ridge, source, server.generation_tokens_per_s.value_or(0),
      server.prompt_tokens_per_s.value_or(0));
  if (input.model != nullptr && server.steps_per_s) {
    evidence +=
        fmt::format(" Weights in 16 bits: {:.1f} GB/s read.",
                    *server.steps_per_s * static_cast<double>(input.model->read_per_token) * 1e-9);
  }
  if (tokens >= ridge) {
    findings.push_back(make_finding(
        kCompute, {.evidence = std::move(evidence),
                   .consequence = "More requests at a time make each slower, and the whole no "
                                  "faster. Clocks and power count here.",
                   .fix = "--dtype fp8 (sm_89 and later) doubles products; the prefix cache saves "
                          "prompts that begin alike; then more replicas.",
                   .next_command = "fathom doctor --level 2"}));
    return;
  }
  findings.push_back(make_finding(
      kBandwidth, {.evidence = std::move(evidence),
                   .consequence = "Every step reads all weights, whatever it computes: more "
                                  "requests at a time cost little, and one answer gets faster only "
                                  "by fewer bytes.",
                   .fix = "For throughput send more requests at a time; for one answer's speed "
                          "--dtype fp8, --kv-dtype int8, --draft-tokens 4.",
                   .next_command = "fathom doctor --level 2"}));
}

bool is_busy(const ServerFacts& server) {
  return server.running.value_or(0) > 0 || server.waiting.value_or(0) > 0 ||
         server.generation_tokens_per_s.value_or(0) > 0 || server.steps_per_s.value_or(0) > 0;
}

void check(const CheckInput& input, Findings& findings) {
  for (const ServerFacts& server : input.facts.servers) {
    if (server.problem || server.metrics_problem || server.counters_reset.value_or(false)) continue;
    if (!is_busy(server)) {
      findings.push_back(make_finding(
          kIdle,
          {.evidence = fmt::format("{}: no request ran in {:.1f} s.", server.url,
                                   server.interval_s.value_or(0)),
           .consequence = "Which limit it is at shows under load.",
           .fix = "Look again while clients send, with a longer --interval if they are few.",
           .next_command = fmt::format("fathom doctor --url {} --interval 30", server.url)}));
      continue;
    }
    check_admission(input, server, findings);
    if (!check_ways(input, server, findings)) check_step(input, server, findings);
  }
}

}  // namespace

const Theme& server_limit_theme() {
  static constexpr Theme kTheme{"Server: limits", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
