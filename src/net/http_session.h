// The life of one connection. Internal to net: includes Boost.Asio.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "net/http_server.h"

namespace fathom::net {

// What all connections of a server share. Used on the I/O thread only.
struct SessionShared {
  HttpServerOptions options;
  HttpHandler handler;
  std::weak_ptr<boost::asio::io_context> context;
  std::size_t num_connections = 0;
};

// Reads requests and writes answers until the client or a limit ends it.
boost::asio::awaitable<void> serve_connection(boost::asio::ip::tcp::socket socket,
                                              std::shared_ptr<SessionShared> shared);

}  // namespace fathom::net
