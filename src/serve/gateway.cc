// Wraps each exchange, then asks who calls.
#include "serve/gateway.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "serve/openai/error_response.h"
#include "serve/openai/routes.h"

namespace fathom::serve {
namespace {

constexpr std::array<std::string_view, 3> kOpenPaths{"/health", "/livez", "/readyz"};
constexpr std::string_view kMetricsPath = "/metrics";
constexpr int kClientClosedRequest = 499;  // as nginx counts those who left before the answer

std::string_view handler_name(std::string_view path) {
  if (path == kMetricsPath) return path;
  const Route* const route = find_route(path);
  return route == nullptr ? "none" : route->path;
}

// Adds the headers for other origins, and counts the request when its answer ends.
class CountedExchange final : public net::HttpExchange {
 public:
  CountedExchange(std::shared_ptr<net::HttpExchange> inner, Metrics& metrics,
                  std::shared_ptr<const CorsPolicy> cors)
      : inner_(std::move(inner)), metrics_(metrics), cors_(std::move(cors)) {}
  ~CountedExchange() override { count(kClientClosedRequest); }
  CountedExchange(const CountedExchange&) = delete;
  CountedExchange& operator=(const CountedExchange&) = delete;

  const net::HttpRequest& request() const override { return inner_->request(); }
  void respond(net::HttpResponse response) override {
    count(response.status);
    cors_->add_headers(request(), response.headers);
    inner_->respond(std::move(response));
  }
  void start(int status, net::HttpHeaders headers) override {
    status_ = status;
    cors_->add_headers(request(), headers);
    inner_->start(status, std::move(headers));
  }
  void write(std::string piece) override { inner_->write(std::move(piece)); }
  void finish() override {
    count(status_);
    inner_->finish();
  }
  void abort() override {
    count(500);
    inner_->abort();
  }
  void on_client_gone(std::function<void()> callback) override {
    inner_->on_client_gone(std::move(callback));
  }

 private:
  void count(int status) {
    if (is_counted_.exchange(true)) return;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    metrics_.record_http(request().method, handler_name(request().path), status, elapsed.count());
  }

  std::shared_ptr<net::HttpExchange> inner_;
  Metrics& metrics_;
  std::shared_ptr<const CorsPolicy> cors_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<int> status_{0};
  std::atomic<bool> is_counted_{false};
};

}  // namespace

void Gateway::handle(const std::shared_ptr<net::HttpExchange>& inner) {
  const auto exchange = std::make_shared<CountedExchange>(inner, metrics_, cors_);
  const net::HttpRequest& request = exchange->request();
  if (auto preflight = cors_->answer_preflight(request)) {
    return exchange->respond(*std::move(preflight));
  }
  std::string tenant;
  if (keys_ && std::ranges::find(kOpenPaths, request.path) == kOpenPaths.end()) {
    auto client = keys_->check(request);
    if (!client) {
      return exchange->respond(error_response(api_error(client.error())));
    }
    tenant = std::move(client->tenant);
  }
  if (request.path == kMetricsPath && (request.method == "GET" || request.method == "HEAD")) {
    return exchange->respond(metrics_response());
  }
  service_.handle(exchange, std::move(tenant));
}

net::HttpResponse Gateway::metrics_response() const {
  const engine::EngineStatus status = generator_.status();
  const auto num_blocks = static_cast<double>(std::max<std::int64_t>(status.num_kv_blocks, 1));
  net::HttpResponse response;
  response.status = 200;
  response.headers.emplace_back("Content-Type", std::string(Metrics::kContentType));
  response.body = metrics_.expose(
      {.num_running = status.num_running,
       .num_waiting = status.num_waiting,
       .kv_cache_usage = static_cast<double>(status.num_used_kv_blocks) / num_blocks});
  return response;
}

}  // namespace fathom::serve
