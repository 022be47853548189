// An HTTP/1.1 server: one I/O thread, a handler for each request, answers from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http_message.h"

namespace fathom::net {

// One request and its answer, which every handler owes it. Thread-safe; may be kept and used after
// the handler returned.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual const HttpRequest& request() const = 0;
  // The whole answer. Once, and not after start().
  virtual void respond(HttpResponse response) = 0;
  // An answer in pieces: headers, then any number of writes, then the end. To a HEAD request only
  // the headers are sent.
  virtual void start(int status, HttpHeaders headers) = 0;
  virtual void write(std::string piece) = 0;
  virtual void finish() = 0;
  // Breaks the connection off: the client sees that the answer is not whole.
  virtual void abort() = 0;
  // Called once if the client goes away, or reads too slowly, before the answer ended; at once if
  // that has happened. On the I/O thread or the caller's; must not block.
  virtual void on_client_gone(std::function<void()> callback) = 0;
};

// Called on the I/O thread: must not block.
using HttpHandler = std::function<void(std::shared_ptr<HttpExchange>)>;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  std::size_t max_body_bytes = std::size_t{8} << 20;
  // Of all bodies that are being read or answered; over it, requests get 503.
  std::size_t max_total_body_bytes = std::size_t{256} << 20;
  std::uint32_t max_header_bytes = 16 << 10;
  std::size_t max_headers = 100;
  std::size_t max_connections = 1024;  // as many more get 503, and those beyond are closed
  std::size_t max_pending_bytes = std::size_t{4} << 20;  // written, but not yet taken by the client
  // For Retry-After where the server itself refuses with 503; called on the I/O thread.
  std::function<std::chrono::seconds()> retry_after = [] { return std::chrono::seconds(1); };
  // PEM: the certificate with its chain, leaf first, and its key. Both, or neither: plain HTTP.
  std::string tls_certificate_file;
  std::string tls_key_file;
  std::chrono::milliseconds header_timeout{10'000};  // the first byte, the headers, a TLS handshake
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds idle_timeout{75'000};   // between two requests of a connection
  std::chrono::milliseconds write_timeout{30'000};  // for the client to take what was written
};

// A server's port, taken, and its certificate, read, before there is anything to serve. Until the
// server starts, clients that connect are refused.
class HttpEndpoint {
 public:
  // A port in use, and TLS files that are missing, unreadable or do not belong together are errors
  // that say so.
  static base::Result<HttpEndpoint> open(const HttpServerOptions& options);
  ~HttpEndpoint();  // gives the port back, unless a server has it
  HttpEndpoint(HttpEndpoint&&) noexcept;
  HttpEndpoint& operator=(HttpEndpoint&&) noexcept;

  std::uint16_t port() const;

 private:
  friend class HttpServer;
  struct State;
  explicit HttpEndpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class HttpServer {
 public:
  // Listens and answers from a thread of its own. The endpoint is of the same options.
  static base::Result<std::unique_ptr<HttpServer>> start(HttpEndpoint endpoint,
                                                         const HttpServerOptions& options,
                                                         HttpHandler handler);
  // The same with an endpoint opened now.
  static base::Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options,
                                                         HttpHandler handler);
  // Closes every connection and joins the thread. Exchanges that live on do nothing more.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  // No new connections; those that are open go on. Thread-safe.
  void stop_accepting();
  // Stops accepting, closes connections between two requests, and lets what runs finish: a request
  // that has begun is read, handled and answered with Connection: close. Waits until the last
  // connection is closed; false if some are still open after `timeout`. Thread-safe, but not for a
  // handler: it would wait for itself.
  bool drain(std::chrono::milliseconds timeout);

 private:
  class Core;
  explicit HttpServer(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace fathom::net
