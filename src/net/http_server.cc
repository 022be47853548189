// Taking a port and accepting connections; the life of one connection is in http_session.cc.
#include "net/http_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "base/log.h"
#include "net/http_session.h"
#include "net/tls.h"

namespace fathom::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::ErrorCode;
using base::fail;
using base::Result;

struct HttpEndpoint::State {
  std::shared_ptr<asio::io_context> context = std::make_shared<asio::io_context>(1);
  tcp::acceptor acceptor{*context};
  std::uint16_t port = 0;
  Connection::Tls tls;

  Result<void> read_tls(const HttpServerOptions& options) {
    if (options.tls_certificate_file.empty() && options.tls_key_file.empty()) return {};
    if (options.tls_certificate_file.empty() || options.tls_key_file.empty()) {
      return fail(ErrorCode::kInvalidArgument,
                  options.tls_key_file.empty() ? "--tls-key" : "--tls-cert",
                  "missing: TLS needs both a certificate and its key");
    }
    tls = TRY(load_tls(options.tls_certificate_file, options.tls_key_file));
    return {};
  }

  Result<void> take_port(const HttpServerOptions& options) {
    boost::system::error_code code;
    const auto address = asio::ip::make_address(options.host, code);
    if (code) {
      return fail(ErrorCode::kInvalidArgument, "--host",
                  "'{}' is not an IP address; use 127.0.0.1 or 0.0.0.0", options.host);
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), code);
    // With the option set, Linux gives the port to any number of those that do not listen yet, so
    // it is set only where connections of an earlier server keep the port.
    if (!code) acceptor.bind(endpoint, code);
    if (code == asio::error::address_in_use) {
      acceptor.set_option(tcp::acceptor::reuse_address(true), code);
      if (!code) acceptor.bind(endpoint, code);
    }
    if (!code) port = acceptor.local_endpoint(code).port();
    return code ? listen_error(options, code) : Result<void>();
  }

  Result<void> listen(const HttpServerOptions& options) {
    boost::system::error_code code;
    // Connections inherit it, so that those left over do not keep the port from the next server.
    acceptor.set_option(tcp::acceptor::reuse_address(true), code);
    if (!code) acceptor.listen(asio::socket_base::max_listen_connections, code);
    return code ? listen_error(options, code) : Result<void>();
  }

  static base::Error listen_error(const HttpServerOptions& options,
                                  const boost::system::error_code& code) {
    const std::string where = options.host + ":" + std::to_string(options.port);
    if (code == asio::error::address_in_use) {
      return fail(ErrorCode::kUnavailable, where,
                  "the port is in use; stop the other server or choose another with --port");
    }
    return fail(ErrorCode::kUnavailable, where, "cannot listen: {}", code.message());
  }
};

HttpEndpoint::HttpEndpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpEndpoint::~HttpEndpoint() = default;
HttpEndpoint::HttpEndpoint(HttpEndpoint&&) noexcept = default;
HttpEndpoint& HttpEndpoint::operator=(HttpEndpoint&&) noexcept = default;

std::uint16_t HttpEndpoint::port() const { return state_->port; }

Result<HttpEndpoint> HttpEndpoint::open(const HttpServerOptions& options) {
  auto state = std::make_unique<State>();
  TRY(state->read_tls(options));
  TRY(state->take_port(options));
  return HttpEndpoint(std::move(state));
}

class HttpServer::Core {
 public:
  Core(HttpEndpoint::State endpoint, const HttpServerOptions& options, HttpHandler handler)
      : context_(std::move(endpoint.context)),
        acceptor_(std::move(endpoint.acceptor)),
        port_(endpoint.port),
        shared_(std::make_shared<SessionShared>()) {
    shared_->options = options;
    shared_->handler = std::move(handler);
    shared_->tls = std::move(endpoint.tls);
    shared_->context = context_;
    asio::co_spawn(*context_, accept(), asio::detached);
    thread_ = std::thread([this] { run(); });
  }

  ~Core() {
    context_->stop();
    if (thread_.joinable()) thread_.join();
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  std::uint16_t port() const { return port_; }

  bool drain(std::chrono::milliseconds timeout) {
    asio::post(*context_, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      shared_->is_draining = true;
      for (const auto& wake : shared_->wakes)
        wake->expires_at(Connection::Clock::time_point::min());
      shared_->check_drained();
    });
    std::unique_lock lock(shared_->mutex);
    return shared_->is_empty.wait_for(lock, timeout, [this] { return shared_->has_drained; });
  }

 private:
  // Third-party code may throw; a connection that does so is gone, the others live on.
  void run() {
    while (!context_->stopped()) {
      try {
        context_->run();
      } catch (const std::exception& error) {
        base::log_error("HTTP server: {}", error.what());
      }
    }
  }

  asio::awaitable<void> accept() {
    while (acceptor_.is_open()) {
      boost::system::error_code code;
      tcp::socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, code));
      if (code == asio::error::operation_aborted) break;
      if (code) {
        // Out of descriptors, say: wait a little rather than spin.
        base::log_warning("HTTP server: cannot accept a connection: {}", code.message());
        asio::steady_timer pause(*context_, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, code));
        continue;
      }
      // Left here, the socket closes.
      if (shared_->is_draining) break;
      if (shared_->wakes.size() >= 2 * shared_->options.max_connections) continue;
      asio::co_spawn(*context_, serve_connection(std::move(socket), shared_), asio::detached);
    }
  }

  std::shared_ptr<asio::io_context> context_;
  tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::shared_ptr<SessionShared> shared_;
  std::thread thread_;
};

HttpServer::HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpEndpoint endpoint,
                                                      const HttpServerOptions& options,
                                                      HttpHandler handler) {
  TRY(endpoint.state_->listen(options));
  auto core = std::make_shared<Core>(std::move(*endpoint.state_), options, std::move(handler));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options,
                                                      HttpHandler handler) {
  return start(TRY(HttpEndpoint::open(options)), options, std::move(handler));
}

std::uint16_t HttpServer::port() const { return core_->port(); }
bool HttpServer::drain(std::chrono::milliseconds timeout) { return core_->drain(timeout); }

}  // namespace fathom::net
