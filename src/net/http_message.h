// HTTP requests and responses as plain values.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The value of a header, whatever its case; empty if absent.
std::string_view find_header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method;
  std::string path;   // percent-decoded, without the query
  std::string query;  // as sent, without '?'
  HttpHeaders headers;
  std::string body;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;  // Content-Length, Connection and Date are the server's
  std::string body;
};

// "OK", "Not Found"; empty for unknown codes.
std::string_view reason_phrase(int status);

}  // namespace fathom::net
