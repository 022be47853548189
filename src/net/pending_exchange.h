// PendingExchange: the meeting point of the thread that answers and the I/O thread that sends.
// Internal to net.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "net/http_server.h"

namespace fathom::net {

class PendingExchange final : public HttpExchange {
 public:
  // `wake` is made to expire, on the I/O thread, when there is something to do for it. It belongs
  // to the connection: an exchange may outlive both it and the server.
  PendingExchange(HttpRequest request, std::size_t max_pending_bytes,
                  std::weak_ptr<boost::asio::io_context> context,
                  std::weak_ptr<boost::asio::steady_timer> wake)
      : request_(std::move(request)),
        max_pending_bytes_(max_pending_bytes),
        context_(std::move(context)),
        wake_(std::move(wake)) {}

  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override;
  void start(int status, HttpHeaders headers) override;
  void write(std::string piece) override;
  void finish() override;
  void abort() override;
  void on_client_gone(std::function<void()> callback) override;

  // For the I/O thread: what has come since the last call.
  struct Progress {
    std::optional<HttpResponse> whole;
    std::optional<std::pair<int, HttpHeaders>> started;
    std::string pieces;
    bool is_finished = false;
    bool is_aborted = false;
  };
  Progress take();
  bool is_aborted();
  void client_gone();
  // Lets go of the callback: what it holds may hold this exchange.
  void answered();

 private:
  void wake();

  const HttpRequest request_;
  const std::size_t max_pending_bytes_;
  const std::weak_ptr<boost::asio::io_context> context_;
  const std::weak_ptr<boost::asio::steady_timer> wake_;
  std::mutex mutex_;
  Progress progress_;
  bool has_started_ = false;
  bool is_gone_ = false;
  std::function<void()> on_gone_;
};

}  // namespace fathom::net
