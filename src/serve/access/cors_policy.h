// CorsPolicy: which web pages may call from a browser. Off unless origins are given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http_message.h"

namespace fathom::serve {

// Immutable, so thread-safe. Credentials (cookies) are never allowed: keys are sent by the page.
class CorsPolicy {
 public:
  CorsPolicy() = default;  // off
  // Each "*", or an origin as browsers write it: scheme://host or scheme://host:port, in lower
  // case, without a path. None: off. kInvalidArgument names the one that is not.
  static base::Result<CorsPolicy> allow(const std::vector<std::string>& origins);

  bool is_on() const { return allows_all_ || !origins_.empty(); }

  // The answer, if the request is a browser's question whether a page may call (OPTIONS with
  // Origin and Access-Control-Request-Method): 204, or 403 for an origin that may not. It comes
  // without a key, so ask before checking one. Nothing when off.
  std::optional<net::HttpResponse> answer_preflight(const net::HttpRequest& request) const;

  // Adds to an answer what lets the page that asked read it.
  void add_headers(const net::HttpRequest& request, net::HttpHeaders& headers) const;

 private:
  bool allows(std::string_view origin) const;

  bool allows_all_ = false;
  std::vector<std::string> origins_;
};

}  // namespace fathom::serve
