// Reading requests with Beast, and writing answers as they come.
#include "net/http_session.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/pct_string_view.hpp>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/log.h"
#include "net/pending_exchange.h"

namespace fathom::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
// NOLINTNEXTLINE(misc-unused-using-decls): found by the operator's use
using asio::experimental::awaitable_operators::operator||;
using Parser = http::request_parser<http::string_body>;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

std::string percent_decoded(std::string_view path) {
  const auto view = boost::urls::make_pct_string_view({path.data(), path.size()});
  if (view.has_error()) return std::string(path);
  std::string decoded;
  (*view).decode({}, boost::urls::string_token::assign_to(decoded));
  return decoded;
}

HttpRequest plain_request(Parser::value_type message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const std::size_t question = target.find('?');
  request.path = percent_decoded(std::string_view(target).substr(0, question));
  if (question != std::string::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(field.name_string(), field.value());
  }
  request.body = std::move(message.body());
  return request;
}

// Whether the client closed its end: readable, and nothing to read.
bool has_hung_up(tcp::socket& socket) {
  char byte = 0;
  const auto got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

std::string chunk(std::string_view piece) {
  char size[32];
  std::snprintf(size, sizeof(size), "%zx\r\n", piece.size());
  return size + std::string(piece) + "\r\n";
}

// Cancels what the socket is doing if it still lives when the time is up. The socket stays open,
// so that a refusal can be sent.
class Deadline {
 public:
  Deadline(tcp::socket& socket, std::chrono::milliseconds duration)
      : timer_(socket.get_executor(), duration), state_(std::make_shared<State>()) {
    timer_.async_wait([&socket, state = state_](ErrorCode code) {
      if (code || !state->is_active) return;
      state->is_over = true;
      ErrorCode ignored;
      socket.cancel(ignored);
    });
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { state_->is_active = false; }
  bool is_over() const { return state_->is_over; }

 private:
  struct State {
    bool is_active = true;
    bool is_over = false;
  };
  asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

class Session {
 public:
  Session(tcp::socket socket, std::shared_ptr<SessionShared> shared)
      : socket_(std::move(socket)), shared_(std::move(shared)), options_(shared_->options) {
    ++shared_->num_connections;
    ErrorCode ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { --shared_->num_connections; }

  asio::awaitable<void> run() {
    bool is_first = true;
    while (true) {
      auto message = co_await read_request(is_first);
      is_first = false;
      if (!message) break;
      keep_alive_ = message->keep_alive();
      is_head_ = message->method() == http::verb::head;
      is_http_1_0_ = message->version() < 11;
      if (!co_await answer(plain_request(*std::move(message))) || !keep_alive_) break;
    }
    ErrorCode ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
  }

 private:
  // Nothing: the connection is over; a refusal, if one was due, has been sent.
  asio::awaitable<std::optional<Parser::value_type>> read_request(bool is_first) {
    Parser parser;
    parser.header_limit(options_.max_header_bytes);
    parser.body_limit(options_.max_body_bytes);
    // A connection may idle between requests; a request that has begun may not.
    const bool has_begun = is_first || buffer_.size() > 0;
    if (!has_begun) {
      asio::steady_timer idle(socket_.get_executor(), options_.idle_timeout);
      const auto first = co_await (idle.async_wait(kAsTuple) ||
                                   socket_.async_wait(tcp::socket::wait_read, kAsTuple));
      if (first.index() == 0 || has_hung_up(socket_)) co_return std::nullopt;
    }
    {
      const Deadline deadline(socket_, options_.header_timeout);
      const auto [code, size] =
          co_await http::async_read_header(socket_, buffer_, parser, kAsTuple);
      if (code) co_return co_await refuse(code, deadline.is_over());
    }
    if (const auto [status, reason] = check(parser.get()); status != 0) {
      co_return co_await refuse(status, std::string(reason));
    }
    if (beast::iequals(parser.get()[http::field::expect], "100-continue") && !parser.is_done()) {
      if (!co_await send("HTTP/1.1 100 Continue\r\n\r\n")) co_return std::nullopt;
    }
    const Deadline deadline(socket_, options_.body_timeout);
    const auto [code, size] = co_await http::async_read(socket_, buffer_, parser, kAsTuple);
    if (code) co_return co_await refuse(code, deadline.is_over());
    co_return parser.release();
  }

  std::pair<int, std::string_view> check(const Parser::value_type& message) const {
    if (message.version() != 10 && message.version() != 11) return {505, "only HTTP/1.0 and 1.1"};
    if (static_cast<std::size_t>(std::distance(message.begin(), message.end())) >
        options_.max_headers) {
      return {431, "too many headers"};
    }
    if (message.version() == 11 && message.count(http::field::host) != 1) {
      return {400, "exactly one Host header is needed"};
    }
    if (message.count(http::field::transfer_encoding) > 0 &&
        message.count(http::field::content_length) > 0) {
      return {400, "both Transfer-Encoding and Content-Length"};
    }
    return {0, {}};
  }

  asio::awaitable<std::optional<Parser::value_type>> refuse(ErrorCode code, bool is_late) {
    if (is_late) return refuse(408, "the request came too slowly");
    if (code == http::error::header_limit) return refuse(431, "the headers are too long");
    if (code == http::error::body_limit) {
      return refuse(413, "the body is over the limit of " +
                             std::to_string(options_.max_body_bytes) + " bytes");
    }
    if (code.category() == http::make_error_code(http::error::bad_method).category() &&
        code != http::error::end_of_stream && code != http::error::partial_message) {
      return refuse(400, "malformed HTTP: " + code.message());
    }
    return refuse(0, "");  // the client went away
  }

  asio::awaitable<std::optional<Parser::value_type>> refuse(int status, std::string reason) {
    if (status == 0) co_return std::nullopt;
    keep_alive_ = false;
    HttpResponse response{status, {{"Content-Type", "application/json"}}, {}};
    response.body = R"({"error":{"message":")" + reason +
                    R"(","type":"invalid_request_error","param":null,"code":null}})";
    co_await send(whole(response));
    // Let the client read the answer before its unread bytes turn the close into a reset.
    ErrorCode ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    const Deadline deadline(socket_, std::chrono::milliseconds(500));
    char rest[4096];
    std::size_t drained = 0;
    while (drained < options_.max_body_bytes) {
      const auto [code, size] = co_await socket_.async_read_some(asio::buffer(rest), kAsTuple);
      if (code) break;
      drained += size;
    }
    co_return std::nullopt;
  }

  // False: the connection is over.
  asio::awaitable<bool> answer(HttpRequest request) {
    auto wake = std::make_shared<asio::steady_timer>(socket_.get_executor());
    auto exchange = std::make_shared<PendingExchange>(
        std::move(request), options_.max_pending_bytes, shared_->context, wake);
    shared_->handler(exchange);
    const bool is_alive = co_await send_answer(*exchange, *wake);
    if (!is_alive) exchange->client_gone();
    co_return is_alive;
  }

  asio::awaitable<bool> send_answer(PendingExchange& exchange, asio::steady_timer& wake) {
    // A request that came early looks like something to read: then only writing tells.
    bool watches = buffer_.size() == 0;
    while (true) {
      // Before the look, so that what comes after it is not missed.
      wake.expires_at(asio::steady_timer::time_point::max());
      PendingExchange::Progress progress = exchange.take();
      if (progress.is_aborted) co_return false;
      if (progress.whole) co_return co_await send(whole(*progress.whole));
      std::string bytes;
      if (progress.started) bytes = head(progress.started->first, progress.started->second);
      if (!progress.pieces.empty())
        bytes += is_http_1_0_ ? progress.pieces : chunk(progress.pieces);
      if (progress.is_finished && !is_http_1_0_) bytes += "0\r\n\r\n";
      if (!bytes.empty() && !co_await send(bytes)) co_return false;
      if (progress.is_finished) co_return true;
      if (!watches) {
        co_await wake.async_wait(kAsTuple);
        continue;
      }
      const auto first = co_await (wake.async_wait(kAsTuple) ||
                                   socket_.async_wait(tcp::socket::wait_read, kAsTuple));
      if (first.index() == 1) {
        if (has_hung_up(socket_)) co_return false;
        watches = false;
      }
    }
  }

  std::string head(int status, const HttpHeaders& headers) {
    std::string text =
        "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_phrase(status)) + "\r\n";
    for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
    if (is_http_1_0_) {
      keep_alive_ = false;
    } else {
      text += "Transfer-Encoding: chunked\r\n";
    }
    if (!keep_alive_) text += "Connection: close\r\n";
    return text + "\r\n";
  }

  std::string whole(const HttpResponse& response) const {
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       std::string(reason_phrase(response.status)) + "\r\n";
    for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
    text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    if (!keep_alive_) {
      text += "Connection: close\r\n";
    } else if (is_http_1_0_) {
      text += "Connection: keep-alive\r\n";
    }
    return text + "\r\n" + (is_head_ ? "" : response.body);
  }

  // False: the client is gone, or did not take the bytes in time.
  asio::awaitable<bool> send(std::string bytes) {
    const Deadline deadline(socket_, options_.write_timeout);
    const auto [code, size] = co_await asio::async_write(socket_, asio::buffer(bytes), kAsTuple);
    co_return !code;
  }

  tcp::socket socket_;
  const std::shared_ptr<SessionShared> shared_;
  const HttpServerOptions& options_;
  beast::flat_buffer buffer_;
  bool keep_alive_ = true;
  bool is_head_ = false;
  bool is_http_1_0_ = false;
};

}  // namespace

asio::awaitable<void> serve_connection(tcp::socket socket, std::shared_ptr<SessionShared> shared) {
  Session session(std::move(socket), std::move(shared));
  co_await session.run();
}

}  // namespace fathom::net
