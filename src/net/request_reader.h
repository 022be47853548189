// RequestReader: the bytes of a connection into one request, within the limits. Knows no sockets,
// so that a fuzzer can drive it. Internal to net.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_message.h"
#include "net/http_server.h"

namespace fathom::net {

// Not thread-safe. One for each request.
class RequestReader {
 public:
  enum class State { kHeaders, kBody, kDone, kRefused };
  // Why a request is not taken: a status, and one sentence free of quotes and control characters.
  struct Refusal {
    int status = 0;
    std::string reason;
  };

  explicit RequestReader(const HttpServerOptions& options);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Takes a prefix of `bytes` and returns its length. What is left begins the next call, with more
  // bytes after it, or the next request. Stops at the end of the headers, so that the caller sees
  // kBody before a body is read: call again while bytes are taken. Never asks for more than
  // max_header_bytes + kSlackBytes at once: it refuses instead.
  std::size_t consume(std::string_view bytes);
  static constexpr std::size_t kSlackBytes = 64;

  State state() const { return state_; }
  const Refusal& refusal() const { return refusal_; }

  // From kBody on.
  bool keep_alive() const { return keep_alive_; }
  bool is_http_1_0() const { return is_http_1_0_; }
  bool expects_continue() const { return expects_continue_; }
  // Of the body, so far.
  std::size_t num_body_bytes() const;
  // In kDone, once. Trailers are left out: they may not change what the headers said.
  HttpRequest take();

 private:
  struct Parser;
  void refuse(int status, std::string reason);
  void end_headers();
  std::size_t num_headers() const;

  const HttpServerOptions& options_;
  std::unique_ptr<Parser> parser_;
  State state_ = State::kHeaders;
  Refusal refusal_;
  HttpRequest request_;
  std::size_t num_header_bytes_ = 0;
  bool keep_alive_ = false;
  bool is_http_1_0_ = false;
  bool expects_continue_ = false;
};

}  // namespace fathom::net
