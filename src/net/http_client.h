// HTTP client for downloads: one request at a time, into a sink.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace fathom::net {

// A text as one segment of a URL's path: '/', '?' and the like stand as "%2F", "%3F".
std::string url_segment(std::string_view text);

struct HttpGet {
  std::string url;  // http or https
  HttpHeaders headers;
  // Sent to the URL's own host only, never to one it redirects to.
  std::string bearer_token;
  bool head_only = false;
  bool follow_redirects = true;
  std::int64_t first_byte = 0;  // > 0 asks for the rest from there
  // For the whole request, from looking up the name to the last byte; 0: no limit.
  std::chrono::milliseconds timeout{0};
};

struct HttpReply {
  int status = 0;
  HttpHeaders headers;  // of the last answer
  std::string url;      // after redirects
  // Until the connection stood, 0 if one was open already; and from the request, with everything
  // set up for it, to the first byte of the answer.
  std::chrono::microseconds connect_time{0};
  std::chrono::microseconds answer_time{0};
};

// What to do with an answer. Both may refuse, which ends the request with their error.
struct HttpSink {
  // Once, before the body: the status and headers are known.
  std::function<base::Result<void>(const HttpReply&)> on_reply;
  std::function<base::Result<void>(std::string_view)> on_bytes;
};

// Not thread-safe: one for each thread. Keeps connections open between requests.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  // An answer of any status is a reply; an error (kUnavailable) means that there was none, or not
  // all of it. `is_cancelled` is asked now and then: true ends the request with kCancelled. A
  // connection that moves nothing for 30 seconds is given up.
  base::Result<HttpReply> get(const HttpGet& request, const HttpSink& sink,
                              const std::function<bool()>& is_cancelled = {});
  // The same with the body as a string of at most max_bytes.
  base::Result<std::pair<HttpReply, std::string>> get_text(const HttpGet& request,
                                                           std::size_t max_bytes);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace fathom::net
