// Answers as the bytes that HTTP/1 wants. Internal to net.
#pragma once

#include <string>
#include <string_view>

#include "net/http_message.h"

namespace fathom::net {

// What of a request decides how its answer is written.
struct Framing {
  bool keep_alive = true;
  bool is_head = false;
  bool is_http_1_0 = false;
};

// Headers with a line break in name or value are left out, and logged: they would let who supplied
// the value write an answer of his own.
std::string whole_text(const HttpResponse& response, const Framing& framing);
// The beginning of an answer of unknown length: chunks for HTTP/1.1, up to the close for 1.0.
std::string head_text(int status, const HttpHeaders& headers, const Framing& framing);
// One piece of it, and its end; empty where HEAD or HTTP/1.0 want nothing.
std::string piece_text(std::string_view piece, const Framing& framing);
std::string end_text(const Framing& framing);

}  // namespace fathom::net
