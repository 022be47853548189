// The life of one connection. Internal to net: includes Boost.Asio.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "net/connection.h"
#include "net/http_server.h"

namespace fathom::net {

// What all connections of a server share. On the I/O thread only, but for what says otherwise.
struct SessionShared {
  HttpServerOptions options;
  HttpHandler handler;
  Connection::Tls tls;  // null: plain TCP
  std::weak_ptr<boost::asio::io_context> context;
  std::set<std::shared_ptr<boost::asio::steady_timer>> wakes;  // of the open connections
  bool is_draining = false;
  std::size_t num_body_bytes = 0;  // of requests that are read or answered

  std::mutex mutex;
  std::condition_variable is_empty;  // notified when, draining, the last connection ends
  bool has_drained = false;          // under the mutex

  // Thread-safe but for the caller: on the I/O thread.
  void check_drained();
};

// Reads requests and writes answers until the client or a limit ends it.
boost::asio::awaitable<void> serve_connection(boost::asio::ip::tcp::socket socket,
                                              std::shared_ptr<SessionShared> shared);

}  // namespace fathom::net
