// A mailbox with a wake-up call.
#include "net/pending_exchange.h"

#include <boost/asio/post.hpp>

#include "base/check.h"

namespace fathom::net {

void PendingExchange::respond(HttpResponse response) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(!has_started_, "an exchange is answered twice");
    has_started_ = true;
    if (is_gone_) return;
    progress_.whole = std::move(response);
    progress_.is_finished = true;
  }
  wake();
}

void PendingExchange::start(int status, HttpHeaders headers) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(!has_started_, "an exchange is answered twice");
    has_started_ = true;
    if (is_gone_) return;
    progress_.started.emplace(status, std::move(headers));
  }
  wake();
}

void PendingExchange::write(std::string piece) {
  {
    const std::lock_guard lock(mutex_);
    if (is_gone_) return;
    progress_.pieces += piece;
    if (progress_.pieces.size() > max_pending_bytes_) progress_.is_aborted = true;
  }
  wake();
}

void PendingExchange::finish() {
  {
    const std::lock_guard lock(mutex_);
    progress_.is_finished = true;
  }
  wake();
}

void PendingExchange::abort() {
  {
    const std::lock_guard lock(mutex_);
    progress_.is_aborted = true;
  }
  wake();
}

void PendingExchange::on_client_gone(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_gone_) {
      on_gone_ = std::move(callback);
      return;
    }
  }
  callback();
}

PendingExchange::Progress PendingExchange::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(progress_, Progress{.is_finished = progress_.is_finished,
                                           .is_aborted = progress_.is_aborted});
}

bool PendingExchange::is_aborted() {
  const std::lock_guard lock(mutex_);
  return progress_.is_aborted;
}

void PendingExchange::client_gone() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    is_gone_ = true;
    progress_.pieces.clear();
    callback = std::move(on_gone_);
  }
  if (callback) callback();
}

void PendingExchange::answered() {
  std::function<void()> callback;  // destroyed after the lock is released
  const std::lock_guard lock(mutex_);
  callback = std::move(on_gone_);
}

void PendingExchange::wake() {
  // Once the server is gone there is no one to wake.
  const auto context = context_.lock();
  if (!context) return;
  // Expiry, not cancellation: it also ends a wait that has not begun yet.
  boost::asio::post(*context, [wake = wake_] {
    if (const auto timer = wake.lock()) {
      timer->expires_at(boost::asio::steady_timer::time_point::min());
    }
  });
}

}  // namespace fathom::net
