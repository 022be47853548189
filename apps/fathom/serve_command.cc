// fathom serve: OpenAI's API over one model.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "base/log.h"
#include "command.h"
#include "loaded_model.h"
#include "net/http_server.h"
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
  std::string kv_dtype;
};

tensor::DType kv_dtype(const std::string& asked, tensor::DType of_weights) {
  if (asked == "int8") return tensor::DType::kI8;
  if (asked == "bf16") return tensor::DType::kBF16;
  return asked == "fp32" ? tensor::DType::kF32 : of_weights;
}

void print_ledger(const engine::MemoryLedger& ledger) {
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  base::log_info(
      "memory: weights {:.1f} MiB, KV cache {:.1f} MiB ({} tokens), workspace {:.1f} MiB, logits "
      "{:.1f} MiB, runtime {:.1f} MiB; nothing more is taken later",
      mib(ledger.weights_bytes), mib(ledger.kv_bytes), ledger.kv_tokens,
      mib(ledger.workspace_bytes), mib(ledger.logits_bytes), mib(ledger.runtime_bytes));
}

void print_address(const Flags& flags, const std::string& name, std::uint16_t port) {
  const std::string url = fmt::format("http://{}:{}", flags.http.host, port);
  fmt::print("Serving {} at {}\nTry it:\n\n", name, url);
  fmt::print(
      "curl {}/v1/chat/completions -H 'Content-Type: application/json' -d "
      "'{{\"model\": \"{}\", \"messages\": [{{\"role\": \"user\", \"content\": "
      "\"What is GPTQ?\"}}]}}'\n\n",
      url, name);
  fmt::print("Stop with Ctrl-C.\n");
  std::fflush(stdout);
}

Result<void> serve(Flags& flags) {
  // Blocked before any thread starts, so that sigwait() below gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  LoadedModel model = TRY(load_model(flags.model));
  flags.engine.kv_dtype = kv_dtype(flags.kv_dtype, model.weights->compute_dtype());
  const auto engine =
      TRY(engine::Engine::create(model.weights, model.tokenizer, *model.device, flags.engine));
  print_ledger(engine->ledger());
  const std::string name = flags.served_name.empty() ? model.name : flags.served_name;
  if (model.spec().total_parameters() < kDemoParameters) {
    base::log_warning("{} is a demo model of {}: do not rely on what it says", name,
                      model.size_text());
  }
  if (engine->max_context_tokens() < model.spec().max_context_tokens) {
    base::log_info("context: {} tokens of the model's {}", engine->max_context_tokens(),
                   model.spec().max_context_tokens);
  }
  serve::Service service({name, model.tokenizer, std::move(model.chat_template)}, *engine);
  {
    const auto server = TRY(net::HttpServer::start(
        flags.http, [&service](const auto& exchange) { service.handle(exchange); }));
    print_address(flags, name, server->port());
    int signal = 0;
    ::sigwait(&signals, &signal);
    base::log_info("{}: stopping", signal == SIGINT ? "interrupted" : "terminated");
  }
  return {};
}

// "512MiB", "4GiB", "1073741824".
CLI::Option* add_size(CLI::App& command, const std::string& name, std::int64_t& bytes,
                      const std::string& description) {
  return command.add_option(name, bytes, description)->transform(CLI::AsSizeValue(false));
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
      ->capture_default_str();
  command->add_option("--served-model-name", flags->served_name, "the name that clients ask for");
  command
      ->add_option("--max-context", flags->engine.max_context_tokens,
                   "longest prompt and answer together, in tokens; default: the model's")
      ->check(CLI::Range(std::int64_t{16}, std::int64_t{1} << 24));
  command
      ->add_option("--max-batch-size", flags->engine.max_batch_size, "requests that run at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command->add_option("--max-queue", flags->engine.max_queue, "requests that may wait")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
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
  command
      ->add_option("--kv-dtype", flags->kv_dtype,
                   "type of the KV cache: fp32, bf16 or int8; default: the weights' type")
      ->check(CLI::IsMember({"fp32", "bf16", "int8"}));
  command->add_flag("!--no-prefix-cache", flags->engine.use_prefix_cache,
                    "compute every prompt anew, also where its beginning came before");
  add_size(*command, "--kv-memory", flags->engine.kv_memory_bytes,
           "memory for the KV cache, such as 8GiB; default: what the batch needs, at most 4 GiB");
  command->callback([flags, &exit_code] {
    const auto done = serve(*flags);
    exit_code = done ? kExitOk : report(done.error());
  });
}

}  // namespace fathom::app
