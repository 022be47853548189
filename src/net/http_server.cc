// Accepting connections; the life of one connection is in http_session.cc.
#include "net/http_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "base/log.h"
#include "net/http_session.h"

namespace fathom::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::ErrorCode;
using base::fail;
using base::Result;

class HttpServer::Core {
 public:
  Core(const HttpServerOptions& options, HttpHandler handler)
      : context_(std::make_shared<asio::io_context>(1)),
        acceptor_(*context_),
        shared_(std::make_shared<SessionShared>(
            SessionShared{options, std::move(handler), context_, 0})) {}

  ~Core() {
    context_->stop();
    if (thread_.joinable()) thread_.join();
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Result<void> listen() {
    const HttpServerOptions& options = shared_->options;
    const std::string where = options.host + ":" + std::to_string(options.port);
    boost::system::error_code code;
    const auto address = asio::ip::make_address(options.host, code);
    if (code) {
      return fail(ErrorCode::kInvalidArgument, "--host",
                  "'{}' is not an IP address; use 127.0.0.1 or 0.0.0.0", options.host);
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor_.open(endpoint.protocol(), code);
    if (!code) acceptor_.set_option(tcp::acceptor::reuse_address(true), code);
    if (!code) acceptor_.bind(endpoint, code);
    if (!code) acceptor_.listen(asio::socket_base::max_listen_connections, code);
    if (code == asio::error::address_in_use) {
      return fail(ErrorCode::kUnavailable, where,
                  "the port is in use; stop the other server or choose another with --port");
    }
    if (code) return fail(ErrorCode::kUnavailable, where, "cannot listen: {}", code.message());
    asio::co_spawn(*context_, accept(), asio::detached);
    thread_ = std::thread([this] { run(); });
    return {};
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void stop_accepting() {
    asio::post(*context_, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
    });
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
      if (shared_->num_connections >= shared_->options.max_connections) continue;  // closes it
      asio::co_spawn(*context_, serve_connection(std::move(socket), shared_), asio::detached);
    }
  }

  std::shared_ptr<asio::io_context> context_;
  tcp::acceptor acceptor_;
  std::shared_ptr<SessionShared> shared_;
  std::thread thread_;
};

HttpServer::HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options,
                                                      HttpHandler handler) {
  auto core = std::make_shared<Core>(options, std::move(handler));
  TRY(core->listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

std::uint16_t HttpServer::port() const { return core_->port(); }
void HttpServer::stop_accepting() { core_->stop_accepting(); }

}  // namespace fathom::net
