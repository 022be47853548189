// Connection: a socket with or without TLS, one read and one write at a time, and a single place
// to wait for either. Internal to net: includes Boost.Asio.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace fathom::net {

// On the I/O thread only. Operations under way keep the connection alive, so that who waits for
// them may leave at any time.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  using Socket = boost::asio::ip::tcp::socket;
  using Tls = std::shared_ptr<boost::asio::ssl::context>;

  // `tls` may be null: plain TCP. Reading pauses at max_received_bytes that no one took.
  Connection(Socket socket, Tls tls, std::size_t max_received_bytes);

  // False: not TLS, not in time, or `gives_up` said so.
  boost::asio::awaitable<bool> handshake(std::chrono::milliseconds timeout,
                                         const std::function<bool()>& gives_up);

  // What came and was not yet taken; the reader erases what it takes.
  std::string& received() { return received_; }
  // Nothing more will come: the client closed its end, or the connection broke.
  bool has_ended() const { return has_ended_; }
  // Has one read under way, if there is room. A read is also what notices that a client left.
  void keep_reading();
  // Until the deadline, or until something happened: bytes, an end, a written piece, a wake-up.
  boost::asio::awaitable<void> wait(Clock::time_point deadline);
  // Expires, on the I/O thread, to end a wait; also one that has not begun.
  const std::shared_ptr<boost::asio::steady_timer>& wake() const { return wake_; }

  // False: the client is gone, did not take all in time, or `gives_up` said so; then the connection
  // is broken off.
  boost::asio::awaitable<bool> send(std::string bytes, std::chrono::milliseconds timeout,
                                    const std::function<bool()>& gives_up);
  // Ends it so that the client can still read what was sent: for at most half a second.
  boost::asio::awaitable<void> close();
  void break_off();

 private:
  void end_operation(const boost::system::error_code& code);
  void notify();
  boost::asio::awaitable<void> discard(Clock::time_point deadline);

  Socket socket_;
  const Tls tls_context_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
  const std::size_t max_received_bytes_;
  const std::shared_ptr<boost::asio::steady_timer> wake_;
  std::array<char, 16 << 10> incoming_;
  std::string received_;
  std::string sending_;
  std::size_t num_discarded_bytes_ = 0;
  bool is_reading_ = false;
  bool is_busy_ = false;  // a handshake, write or TLS shutdown is under way
  bool has_ended_ = false;
  bool is_broken_ = false;
};

}  // namespace fathom::net
