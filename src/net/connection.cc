// Callbacks set flags and wake the session's coroutine, which looks at the flags.
#include "net/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace fathom::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::chrono::milliseconds kLinger{500};
constexpr std::size_t kMaxDiscardedBytes = std::size_t{16} << 20;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace

Connection::Connection(Socket socket, Tls tls, std::size_t max_received_bytes)
    : socket_(std::move(socket)),
      tls_context_(std::move(tls)),
      max_received_bytes_(max_received_bytes),
      wake_(std::make_shared<asio::steady_timer>(socket_.get_executor())) {
  if (tls_context_) tls_.emplace(socket_, *tls_context_);
  ErrorCode ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
}

void Connection::notify() { wake_->expires_at(Clock::time_point::min()); }

// Nothing is lost between a look at the flags and the wait: they change on this thread only, and
// an expiry set while no one waits is overwritten by what the flags already told.
asio::awaitable<void> Connection::wait(Clock::time_point deadline) {
  wake_->expires_at(deadline);
  co_await wake_->async_wait(kAsTuple);
}

void Connection::end_operation(const ErrorCode& code) {
  is_busy_ = false;
  if (code) is_broken_ = has_ended_ = true;
  notify();
}

asio::awaitable<bool> Connection::handshake(std::chrono::milliseconds timeout,
                                            const std::function<bool()>& gives_up) {
  if (!tls_) co_return true;
  const auto deadline = Clock::now() + timeout;
  is_busy_ = true;
  tls_->async_handshake(asio::ssl::stream_base::server,
                        [self = shared_from_this()](ErrorCode code) { self->end_operation(code); });
  while (is_busy_) {
    if (Clock::now() >= deadline || gives_up()) {
      break_off();
      co_return false;
    }
    co_await wait(deadline);
  }
  co_return !is_broken_;
}

void Connection::keep_reading() {
  if (is_reading_ || has_ended_ || received_.size() >= max_received_bytes_) return;
  is_reading_ = true;
  auto on_read = [self = shared_from_this()](ErrorCode code, std::size_t size) {
    self->is_reading_ = false;
    self->received_.append(self->incoming_.data(), size);
    if (code) self->has_ended_ = true;
    self->notify();
  };
  if (tls_) {
    tls_->async_read_some(asio::buffer(incoming_), std::move(on_read));
  } else {
    socket_.async_read_some(asio::buffer(incoming_), std::move(on_read));
  }
}

asio::awaitable<bool> Connection::send(std::string bytes, std::chrono::milliseconds timeout,
                                       const std::function<bool()>& gives_up) {
  if (is_broken_) co_return false;
  const auto deadline = Clock::now() + timeout;
  sending_ = std::move(bytes);
  is_busy_ = true;
  auto on_written = [self = shared_from_this()](ErrorCode code, std::size_t) {
    self->end_operation(code);
  };
  if (tls_) {
    asio::async_write(*tls_, asio::buffer(sending_), std::move(on_written));
  } else {
    asio::async_write(socket_, asio::buffer(sending_), std::move(on_written));
  }
  while (is_busy_) {
    if (Clock::now() >= deadline || gives_up()) {
      break_off();
      co_return false;
    }
    keep_reading();
    co_await wait(deadline);
  }
  co_return !is_broken_;
}

asio::awaitable<void> Connection::close() {
  const auto deadline = Clock::now() + kLinger;
  const bool client_has_ended = has_ended_;
  ErrorCode ignored;
  if (is_reading_) {
    socket_.cancel(ignored);
    while (is_reading_ && Clock::now() < deadline) co_await wait(deadline);
  }
  if (tls_ && !is_broken_) {
    is_busy_ = true;
    tls_->async_shutdown(
        [self = shared_from_this()](ErrorCode code) { self->end_operation(code); });
    while (is_busy_ && Clock::now() < deadline) co_await wait(deadline);
  }
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  has_ended_ = client_has_ended;
  co_await discard(deadline);
  break_off();
}

// Bytes that no one read would turn the close into a reset, which takes the answer from the client
// before it was read.
asio::awaitable<void> Connection::discard(Clock::time_point deadline) {
  while (!has_ended_ && Clock::now() < deadline && num_discarded_bytes_ < kMaxDiscardedBytes) {
    if (!is_reading_) {
      is_reading_ = true;
      socket_.async_read_some(asio::buffer(incoming_),
                              [self = shared_from_this()](ErrorCode code, std::size_t size) {
                                self->is_reading_ = false;
                                self->num_discarded_bytes_ += size;
                                if (code) self->has_ended_ = true;
                                self->notify();
                              });
    }
    co_await wait(deadline);
  }
}

void Connection::break_off() {
  is_broken_ = has_ended_ = true;
  ErrorCode ignored;
  socket_.close(ignored);
}

}  // namespace fathom::net
