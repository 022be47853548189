// fathom serve: OpenAI's API over one model.
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "command.h"
#include "loaded_model.h"
#include "net/http_server.h"
#include "serve/gateway.h"
#include "serve/metrics/measured_generator.h"
#include "serve/metrics/metrics.h"
#include "serve/openai/service.h"

namespace fathom::app {
namespace {

using base::Result;

// Below this a model can hardly be more than a demonstration.
constexpr std::int64_t kDemoParameters = 100'000'000;

struct Flags {
  ModelFlags model;
  std::string served_name;
  net::HttpServerOptions http;
  engine::EngineOptions engine;
  serve::ServiceOptions service;
  std::string kv_dtype;
  std::string api_key_file;
  std::vector<std::string> cors_origins;
  std::string metric_names = "fathom";
  std::int64_t queue_seconds = 0;
  std::int64_t drain_seconds = 30;
  std::int64_t stall_seconds = 60;
};

void print_ledger(const engine::MemoryLedger& ledger) {
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  base::log_info(
      "memory: weights {:.1f} MiB, KV cache {:.1f} MiB ({} tokens), workspace {:.1f} MiB, logits "
      "{:.1f} MiB, runtime {:.1f} MiB; nothing more is taken later",
      mib(ledger.weights_bytes), mib(ledger.kv_bytes), ledger.kv_tokens,
      mib(ledger.workspace_bytes), mib(ledger.logits_bytes), mib(ledger.runtime_bytes));
}

void print_address(const Flags& flags, const std::string& name, bool has_template,
                   std::uint16_t port) {
  const bool is_secure = !flags.http.tls_certificate_file.empty();
  const bool is_ipv6 = flags.http.host.find(':') != std::string::npos;
  const std::string url =
      fmt::format("{}://{}:{}", is_secure ? "https" : "http",
                  is_ipv6 ? "[" + flags.http.host + "]" : flags.http.host, port);
  fmt::print("Serving {} at {}\nTry it:\n\n", name, url);
  fmt::print(
      "curl {}/v1/{} -H 'Content-Type: application/json'{} -d '{{\"model\": \"{}\", {}}}'\n\n", url,
      has_template ? "chat/completions" : "completions",
      flags.api_key_file.empty() ? "" : " -H 'Authorization: Bearer YOUR_KEY'", name,
      has_template ? R"("messages": [{"role": "user", "content": "What is GPTQ?"}])"
                   : R"("prompt": "GPTQ is", "max_tokens": 64)");
  fmt::print("Stop with Ctrl-C.\n");
  std::fflush(stdout);
}

// What the engine's thread raises when the device is lost.
constexpr int kDeviceLostSignal = SIGUSR1;
// Answers that say so go out before the server starts again.
constexpr std::chrono::seconds kLostDrain{2};

// Blocked before any thread starts, so that sigwait() gets them.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, kDeviceLostSignal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

Result<serve::GatewayOptions> gateway_options(const Flags& flags) {
  serve::GatewayOptions options;
  if (!flags.api_key_file.empty()) {
    options.keys = TRY(serve::ApiKeys::load(flags.api_key_file));
    base::log_info("{} API keys; requests without one get 401", options.keys->size());
  }
  options.cors = TRY(serve::CorsPolicy::allow(flags.cors_origins));
  return options;
}

serve::MetricsOptions metrics_options(const Flags& flags, const std::string& name,
                                      const engine::Engine& engine) {
  serve::MetricsOptions options;
  options.names =
      flags.metric_names == "vllm" ? serve::MetricNames::kVllm : serve::MetricNames::kFathom;
  options.model_name = name;
  options.max_context_tokens = engine.max_context_tokens();
  options.max_draft_tokens = flags.engine.max_draft_tokens;
  const std::int64_t num_blocks = engine.status().num_kv_blocks;
  options.cache = {.block_size_tokens = engine.ledger().kv_tokens / num_blocks,
                   .num_blocks = num_blocks,
                   .cache_dtype = std::string(tensor::name(flags.engine.kv_dtype)),
                   .has_prefix_caching = flags.engine.use_prefix_cache};
  for (const serve::Route& route : serve::routes()) options.handlers.emplace_back(route.path);
  options.handlers.emplace_back("/metrics");
  return options;
}

void record(serve::Metrics& metrics, const engine::StepReport& step) {
  metrics.record_step(step.num_tokens);
  if (step.cache_queries > 0) metrics.record_prefix_cache(step.cache_queries, step.cache_hits);
  for (std::int64_t i = 0; i < step.num_pauses; ++i) metrics.record_preemption();
  if (step.num_drafts > 0 || !step.accepted_at.empty()) {
    metrics.record_speculation({step.num_drafts, step.num_draft_tokens, step.accepted_at});
  }
}

// The engine runs before there are metrics, which tell of its size: until then nothing is counted.
void observe(engine::EngineOptions& options, const std::atomic<serve::Metrics*>& metrics) {
  const auto seconds = [](engine::BlockObserver::Duration duration) {
    return std::chrono::duration<double>(duration).count();
  };
  options.on_step = [&metrics](const engine::StepReport& step) {
    if (serve::Metrics* const known = metrics) record(*known, step);
  };
  options.blocks.on_reuse = [&metrics, seconds](auto since_use) {
    if (serve::Metrics* const known = metrics) known->record_block_reuse(seconds(since_use));
  };
  options.blocks.on_evict = [&metrics, seconds](auto since_taken, auto since_use) {
    serve::Metrics* const known = metrics;
    if (known) known->record_block_eviction(seconds(since_taken), seconds(since_use));
  };
}

void warn_of_limits(const LoadedModel& model, const std::string& name,
                    const engine::Engine& engine) {
  if (model.spec().total_parameters() < kDemoParameters) {
    base::log_warning("{} is a demo model of {}: do not rely on what it says", name,
                      model.size_text());
  }
  if (engine.max_context_tokens() < model.spec().max_context_tokens) {
    base::log_info("context: {} tokens of the model's {}", engine.max_context_tokens(),
                   model.spec().max_context_tokens);
  }
}

// Connections are still taken while something runs, so that probes are told that it stops, and
// clients when to come again; then those that are open end.
void drain(serve::Service& service, net::HttpServer& server, std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kFlush{1'000};  // for answers that were written just now
  service.set_readiness(serve::Readiness::kDraining);
  const auto deadline = Clock::now() + timeout;
  const bool is_idle = service.wait_until_idle(timeout);
  const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  const bool is_closed = server.drain(is_idle ? std::max(rest, kFlush) : rest);
  if (!is_idle || !is_closed) {
    base::log_warning("{} requests were cut off", service.num_open_requests());
  }
}

// Connections and everything else in files: systems often allow 1024 of them unless asked.
void allow_files(std::size_t count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count) return;
  limit.rlim_cur = std::min<rlim_t>(count, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < count) {
    base::log_warning("only {} files may be open, which bounds the connections; raise ulimit -n",
                      limit.rlim_cur);
  }
}

// Room for all that run and wait, and for those that are refused.
void size_connections(Flags& flags, std::int64_t batch_size, const engine::Generator& generator) {
  constexpr std::size_t kOthers = 256;
  const auto num_requests = static_cast<std::size_t>(batch_size + flags.engine.max_queue);
  flags.http.max_connections = std::max(flags.http.max_connections, num_requests + kOthers);
  flags.http.retry_after = [&generator] { return generator.retry_after(); };
  allow_files(2 * flags.http.max_connections + kOthers);
}

// How serving ended.
enum class End { kStopped, kDeviceLost };

Result<End> serve(Flags& flags) {
  const sigset_t signals = block_stop_signals();
  auto gateway_parts = TRY(gateway_options(flags));
  // Before the model is loaded, which takes its time: a port in use is told at once.
  auto endpoint = TRY(net::HttpEndpoint::open(flags.http));
  LoadedModel model = TRY(load_model(flags.model));
  flags.engine.kv_dtype =
      TRY(kv_dtype(flags.kv_dtype, model.weights->compute_dtype(), *model.device));
  flags.service.max_stall = std::chrono::seconds(flags.stall_seconds);
  if (flags.queue_seconds > 0) {
    flags.service.queue_deadline = std::chrono::seconds(flags.queue_seconds);
  }
  // Made after the engine, gone after it.
  std::unique_ptr<serve::Metrics> metrics;
  std::atomic<serve::Metrics*> step_metrics{nullptr};
  observe(flags.engine, step_metrics);
  flags.engine.on_device_lost = [] { ::kill(::getpid(), kDeviceLostSignal); };
  const auto engine =
      TRY(engine::Engine::create(model.weights, model.tokenizer, *model.device, flags.engine));
  print_ledger(engine->ledger());
  const std::string name = flags.served_name.empty() ? model.name : flags.served_name;
  warn_of_limits(model, name, *engine);
  metrics = std::make_unique<serve::Metrics>(metrics_options(flags, name, *engine));
  step_metrics = metrics.get();
  serve::MeasuredGenerator generator(*engine, *metrics);
  const bool has_template = model.chat_template.has_value();
  serve::Service service({.name = name,
                          .tokenizer = model.tokenizer,
                          .chat_template = std::move(model.chat_template),
                          .splits_reasoning = model.tokenizer->token_of("<think>").has_value()},
                         generator, flags.service);
  serve::Gateway gateway(service, *metrics, generator, std::move(gateway_parts));
  size_connections(flags, engine->max_batch_size(), generator);
  const auto server =
      TRY(net::HttpServer::start(std::move(endpoint), flags.http,
                                 [&gateway](const auto& exchange) { gateway.handle(exchange); }));
  print_address(flags, name, has_template, server->port());
  int signal = 0;
  ::sigwait(&signals, &signal);
  if (signal == kDeviceLostSignal) {
    drain(service, *server, kLostDrain);
    return End::kDeviceLost;
  }
  base::log_info("{}: {} requests may take up to {} s to end",
                 signal == SIGINT ? "interrupted" : "terminated", service.num_open_requests(),
                 flags.drain_seconds);
  drain(service, *server, std::chrono::seconds(flags.drain_seconds));
  return End::kStopped;
}

// "512MiB", "4GiB", "1073741824".
CLI::Option* add_size(CLI::App& command, const std::string& name, std::int64_t& bytes,
                      const std::string& description) {
  return command.add_option(name, bytes, description)->transform(CLI::AsSizeValue(false));
}

void add_access_flags(CLI::App& command, Flags& flags) {
  command.add_option("--api-key-file", flags.api_key_file,
                     "file of keys, one a line; requests without one of them are refused");
  CLI::Option* const certificate = command.add_option(
      "--tls-cert", flags.http.tls_certificate_file, "certificate and its chain, PEM: serve HTTPS");
  CLI::Option* const key =
      command.add_option("--tls-key", flags.http.tls_key_file, "the certificate's key, PEM");
  certificate->needs(key);
  key->needs(certificate);
  command.add_option("--cors-origin", flags.cors_origins,
                     "a web page's origin that may call, such as https://example.org; may be "
                     "given several times");
  command
      .add_option("--metrics-names", flags.metric_names,
                  "names in /metrics: fathom_... or, for existing dashboards, vllm:...")
      ->capture_default_str()
      ->check(CLI::IsMember({"fathom", "vllm"}));
  command
      .add_option("--queue-seconds", flags.queue_seconds,
                  "the longest a request may wait to begin, then it gets 503; 0: no limit")
      ->capture_default_str()
      ->check(CLI::Range(0, 86'400));
  command
      .add_option("--stall-seconds", flags.stall_seconds,
                  "how long a step may take before /livez says that the server hangs")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400));
  command
      .add_option("--drain-seconds", flags.drain_seconds,
                  "how long running requests may take to end when the server is told to stop")
      ->capture_default_str()
      ->check(CLI::Range(0, 86'400));
  command.add_flag("--allow-request-templates", flags.service.allows_request_templates,
                   "requests may bring a chat_template of their own");
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("serve", "serve a model over OpenAI's HTTP API");
  command->footer(
      "Examples:\n"
      "  fathom serve ./my-model\n"
      "  fathom serve deepseek-ai/deepseek-llm-7b-chat --port 8080 --kv-memory 8GiB\n"
      "\n"
      "Clients need a model name: the folder's or the hub's, or --served-model-name.");
  auto flags = std::make_shared<Flags>();
  flags->http.port = 8000;
  add_model_flags(*command, flags->model);
  command->add_option("--host", flags->http.host, "address to listen on; 0.0.0.0: all")
      ->capture_default_str();
  command->add_option("--port", flags->http.port, "port to listen on; 0: any free one")
      ->capture_default_str()
      ->check(CLI::Range(0, 65'535));
  command->add_option("--served-model-name", flags->served_name, "the name that clients ask for");
  command
      ->add_option("--max-context", flags->engine.max_context_tokens,
                   "longest prompt and answer together, in tokens; default: the model's")
      ->check(CLI::Range(std::int64_t{16}, std::int64_t{1} << 24));
  command
      ->add_option("--max-batch-size", flags->engine.max_batch_size,
                   "requests that run at a time; default: 16, on a GPU 256")
      ->check(CLI::Range(1, 1024));
  command->add_option("--max-queue", flags->engine.max_queue, "requests that may wait")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command
      ->add_option("--reserve-tokens", flags->engine.reserve_tokens,
                   "room kept for the answer of a request that names no max_tokens")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24));
  command
      ->add_option("--draft-tokens", flags->engine.max_draft_tokens,
                   "tokens to guess in each step by looking up what followed before; the answers "
                   "stay the same")
      ->capture_default_str()
      ->check(CLI::Range(0, 16));
  add_kv_dtype_flag(*command, flags->kv_dtype);
  add_determinism_flag(*command, flags->engine.determinism);
  command->add_flag("!--no-prefix-cache", flags->engine.use_prefix_cache,
                    "compute every prompt anew, also where its beginning came before");
  add_size(
      *command, "--kv-memory", flags->engine.kv_memory_bytes,
      "memory for the KV cache, such as 8GiB; default: what the batch needs, at most 4 GiB, on a "
      "GPU what is left");
  add_access_flags(*command, *flags);
  command->callback([flags, &exit_code] {
    const auto end = serve(*flags);
    if (!end) {
      exit_code = report(end.error());
    } else {
      exit_code = *end == End::kDeviceLost ? report(restart_process()) : kExitOk;
    }
  });
}

}  // namespace fathom::app
