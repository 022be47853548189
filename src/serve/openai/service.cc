// Looks a route up, then answers it here or hands it to a worker.
#include "serve/openai/service.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <exception>
#include <thread>
#include <utility>

#include "base/log.h"
#include "serve/openai/error_response.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using net::HttpExchange;

void respond_error(HttpExchange& exchange, const ApiError& error) {
  exchange.respond(error_response(error));
}

// What a library throws is this request's trouble, and nobody else's.
void run_task(const Route& route, Backend& backend, const HttpTask& task) {
  try {
    if (const auto done = route.answer(backend, task); !done) {
      respond_error(*task.exchange, api_error(done.error(), backend.generator()));
    }
  } catch (const std::exception& error) {
    base::log_error("{}: {}", route.path, error.what());
    respond_error(*task.exchange, {.status = 500, .message = "the request could not be handled"});
  }
}

}  // namespace

Service::Service(ServedModel model, engine::Generator& generator, const ServiceOptions& options)
    : backend_(std::move(model), generator, options),
      worker_({.num_threads = options.num_workers, .max_waiting = options.max_waiting_tasks}) {}

void Service::handle(const std::shared_ptr<HttpExchange>& exchange, std::string tenant) {
  const std::string& path = exchange->request().path;
  const std::string& method = exchange->request().method;
  const Route* const route = find_route(path);
  if (route == nullptr) {
    return respond_error(*exchange,
                         {.status = 404, .message = "no such path: " + path.substr(0, 256)});
  }
  const bool is_post = route->method == RouteMethod::kPost;
  if (is_post ? method != "POST" : method != "GET" && method != "HEAD") {
    auto refusal = error_response(
        {.status = 405, .message = "this path does not take " + method.substr(0, 32)});
    refusal.headers.emplace_back("Allow", is_post ? "POST" : "GET, HEAD");
    return exchange->respond(std::move(refusal));
  }
  if (!is_post) return answer_get(route->path, *exchange);
  start_task(*route, exchange, std::move(tenant));
}

void Service::start_task(const Route& route, const std::shared_ptr<HttpExchange>& exchange,
                         std::string tenant) {
  const auto refuse = [&](std::string message) {
    respond_error(*exchange, {.status = 503,
                              .message = std::move(message),
                              .retry_after = backend_.generator().retry_after()});
  };
  if (readiness_ == Readiness::kDraining) return refuse("the server is stopping");
  ++*num_open_requests_;
  std::shared_ptr<void> ticket(num_open_requests_.get(),
                               [counter = num_open_requests_](void*) { --*counter; });
  HttpTask task{exchange, std::move(tenant), std::move(ticket)};
  const bool is_queued =
      worker_.submit([this, &route, task = std::move(task)] { run_task(route, backend_, task); });
  if (!is_queued) refuse("too many requests wait; try again later");
}

bool Service::wait_until_idle(std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (num_open_requests() > 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void Service::answer_get(std::string_view pattern, HttpExchange& exchange) const {
  if (pattern == "/health") return respond_json(exchange, R"({"status":"ok"})");
  if (pattern == "/livez") return answer_livez(exchange);
  if (pattern == "/readyz") return answer_readyz(exchange);
  if (pattern == "/version") {
    return respond_json(exchange, json::serialize(json::object{{"version", FATHOM_VERSION}}));
  }
  if (pattern == "/v1/models") {
    return respond_json(exchange, R"({"object":"list","data":[)" + backend_.model_json() + "]}");
  }
  const std::string name = exchange.request().path.substr(pattern.find('{'));
  if (const auto served = backend_.check_model(name); !served) {
    return respond_error(exchange, api_error(served.error()));
  }
  respond_json(exchange, backend_.model_json());
}

void Service::answer_livez(HttpExchange& exchange) const {
  const engine::EngineStatus status = backend_.generator().status();
  if (status.since_progress <= backend_.options().max_stall) {
    return respond_json(exchange, R"({"status":"ok"})");
  }
  respond_error(exchange,
                {.status = 503,
                 .message = fmt::format("no progress for {} s with {} requests running and {} "
                                        "waiting",
                                        status.since_progress.count() / 1000, status.num_running,
                                        status.num_waiting),
                 .code = "stalled"});
}

void Service::answer_readyz(HttpExchange& exchange) const {
  switch (readiness_.load()) {
    case Readiness::kReady:
      return respond_json(exchange, R"({"status":"ok"})");
    case Readiness::kStarting:
      return respond_error(
          exchange, {.status = 503, .message = "the server is starting", .code = "starting"});
    case Readiness::kDraining:
      return respond_error(
          exchange, {.status = 503, .message = "the server is stopping", .code = "draining"});
  }
}

}  // namespace fathom::serve
