// Requests one after the other, and their answers as they come.
#include "net/http_session.h"

#include <optional>
#include <utility>

#include "net/pending_exchange.h"
#include "net/request_reader.h"
#include "net/response_text.h"

namespace fathom::net {

namespace asio = boost::asio;
using asio::ip::tcp;

void SessionShared::check_drained() {
  if (!is_draining || !wakes.empty()) return;
  {
    const std::lock_guard lock(mutex);
    has_drained = true;
  }
  is_empty.notify_all();
}

namespace {

using Clock = Connection::Clock;

const std::function<bool()> kNever = [] { return false; };

// The ends of OpenAI's error objects.
constexpr const char* kClientFault =
    R"(","type":"invalid_request_error","param":null,"code":null}})";
constexpr const char* kServerFault = R"(","type":"server_error","param":null,"code":null}})";

// How long one connection too many may take to begin the request that is refused.
constexpr std::chrono::milliseconds kRefusalPatience{1'000};
// Room for the next request's beginning while one is answered.
constexpr std::size_t kReadAheadBytes = 16 << 10;
const RequestReader::Refusal kTooSlow{408, "the request came too slowly"};
const RequestReader::Refusal kTooMany{503, "too many connections are open; try again later"};
const RequestReader::Refusal kTooMuch{503, "too many bytes of requests are held; try again later"};

class Session {
 public:
  Session(tcp::socket socket, std::shared_ptr<SessionShared> shared)
      : shared_(std::move(shared)),
        options_(shared_->options),
        connection_(std::make_shared<Connection>(std::move(socket), shared_->tls,
                                                 options_.max_header_bytes + kReadAheadBytes)) {
    shared_->wakes.insert(connection_->wake());
    is_one_too_many_ = shared_->wakes.size() > options_.max_connections;
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    connection_->break_off();
    count_body(0);
    shared_->wakes.erase(connection_->wake());
    shared_->check_drained();
  }

  asio::awaitable<void> run() {
    const std::function<bool()> is_draining = [this] { return shared_->is_draining; };
    if (!co_await connection_->handshake(options_.header_timeout, is_draining)) co_return;
    if (is_one_too_many_) {
      if (co_await wait_for_request(kRefusalPatience)) co_await refuse(kTooMany);
      co_return;
    }
    auto patience = options_.header_timeout;
    while (true) {
      if (!co_await wait_for_request(patience)) co_return;
      patience = options_.idle_timeout;
      std::optional<HttpRequest> request = co_await read_request();
      if (!request) {
        count_body(0);
        if (refusal_) co_await refuse(*refusal_);
        co_return;
      }
      if (!co_await answer(*std::move(request))) co_return;
      count_body(0);
      if (!framing_.keep_alive) break;
    }
    co_await connection_->close();
  }

 private:
  // Until a request begins. False: the connection is over.
  asio::awaitable<bool> wait_for_request(std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    while (connection_->received().empty()) {
      if (connection_->has_ended()) co_return false;
      if (shared_->is_draining || Clock::now() >= deadline) {
        co_await connection_->close();
        co_return false;
      }
      connection_->keep_reading();
      co_await connection_->wait(deadline);
    }
    co_return true;
  }

  // Nothing: the connection is over, but for the refusal that is due, if any.
  asio::awaitable<std::optional<HttpRequest>> read_request() {
    RequestReader reader(options_);
    auto deadline = Clock::now() + options_.header_timeout;
    bool is_body = false;
    framing_ = {};
    while (true) {
      std::string& received = connection_->received();
      const std::size_t taken = reader.consume(received);
      received.erase(0, taken);
      if (reader.state() == RequestReader::State::kRefused) {
        refusal_ = reader.refusal();
        co_return std::nullopt;
      }
      count_body(reader.num_body_bytes());
      if (shared_->num_body_bytes > options_.max_total_body_bytes) {
        refusal_ = kTooMuch;
        co_return std::nullopt;
      }
      if (reader.state() == RequestReader::State::kDone) break;
      if (reader.state() == RequestReader::State::kBody && !is_body) {
        is_body = true;
        deadline = Clock::now() + options_.body_timeout;
        if (reader.expects_continue() && received.empty() && !co_await send_continue()) {
          co_return std::nullopt;
        }
        continue;
      }
      if (taken > 0 && !received.empty()) continue;
      if (connection_->has_ended()) co_return std::nullopt;
      if (Clock::now() >= deadline) {
        refusal_ = kTooSlow;
        co_return std::nullopt;
      }
      connection_->keep_reading();
      co_await connection_->wait(deadline);
    }
    HttpRequest request = reader.take();
    framing_ = {.keep_alive = reader.keep_alive(),
                .is_head = request.method == "HEAD",
                .is_http_1_0 = reader.is_http_1_0()};
    co_return request;
  }

  void count_body(std::size_t num_bytes) {
    shared_->num_body_bytes += num_bytes - num_body_bytes_;
    num_body_bytes_ = num_bytes;
  }

  asio::awaitable<bool> send_continue() { return send("HTTP/1.1 100 Continue\r\n\r\n"); }

  asio::awaitable<void> refuse(const RequestReader::Refusal& refusal) {
    framing_.keep_alive = false;
    HttpResponse response{refusal.status, {{"Content-Type", "application/json"}}, {}};
    response.body = R"({"error":{"message":")" + refusal.reason +
                    (refusal.status < 500 ? kClientFault : kServerFault);
    if (refusal.status == 503) {
      response.headers.emplace_back("Retry-After", std::to_string(options_.retry_after().count()));
    }
    if (co_await send(whole_text(response, framing_))) co_await connection_->close();
  }

  // False: the connection is over.
  asio::awaitable<bool> answer(HttpRequest request) {
    auto exchange = std::make_shared<PendingExchange>(
        std::move(request), options_.max_pending_bytes, shared_->context, connection_->wake());
    shared_->handler(exchange);
    const bool is_alive = co_await send_answer(*exchange);
    if (is_alive) {
      exchange->answered();
    } else {
      connection_->break_off();
      exchange->client_gone();
    }
    co_return is_alive;
  }

  asio::awaitable<bool> send_answer(PendingExchange& exchange) {
    const std::function<bool()> is_over = [this, &exchange] {
      return connection_->has_ended() || exchange.is_aborted();
    };
    while (true) {
      const PendingExchange::Progress progress = exchange.take();
      if (progress.is_aborted) co_return false;
      if (shared_->is_draining) framing_.keep_alive = false;
      if (progress.whole) co_return co_await send(whole_text(*progress.whole, framing_));
      std::string bytes;
      if (progress.started) {
        bytes = head_text(progress.started->first, progress.started->second, framing_);
        if (framing_.is_http_1_0) framing_.keep_alive = false;
      }
      bytes += piece_text(progress.pieces, framing_);
      if (progress.is_finished) bytes += end_text(framing_);
      const bool has_bytes = !bytes.empty();
      if (has_bytes &&
          !co_await connection_->send(std::move(bytes), options_.write_timeout, is_over)) {
        co_return false;
      }
      if (progress.is_finished) co_return true;
      // A send's wait may have taken the exchange's wake-up: look again before waiting.
      if (has_bytes) continue;
      if (connection_->has_ended()) co_return false;
      connection_->keep_reading();
      co_await connection_->wait(Clock::time_point::max());
    }
  }

  // False: the client is gone, or did not take the bytes in time. A client that only closed its
  // sending end still gets them.
  asio::awaitable<bool> send(std::string bytes) {
    return connection_->send(std::move(bytes), options_.write_timeout, kNever);
  }

  const std::shared_ptr<SessionShared> shared_;
  const HttpServerOptions& options_;
  const std::shared_ptr<Connection> connection_;
  Framing framing_;
  std::size_t num_body_bytes_ = 0;
  bool is_one_too_many_ = false;
  std::optional<RequestReader::Refusal> refusal_;
};

}  // namespace

asio::awaitable<void> serve_connection(tcp::socket socket, std::shared_ptr<SessionShared> shared) {
  Session session(std::move(socket), std::move(shared));
  co_await session.run();
}

}  // namespace fathom::net
