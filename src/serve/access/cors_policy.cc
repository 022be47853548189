// The headers of the Fetch standard's CORS protocol.
#include "serve/access/cors_policy.h"

#include <algorithm>
#include <string_view>

namespace fathom::serve {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::string_view kMethods = "GET, POST, OPTIONS";
constexpr std::string_view kUsualHeaders = "Authorization, Content-Type";
constexpr std::size_t kMaxRequestHeadersBytes = 2048;
constexpr std::string_view kMaxAgeSeconds = "600";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_origin(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0 || text.size() > 512) return false;
  const auto in_scheme = [](char c) {
    return is_lower_or_digit(c) || c == '+' || c == '-' || c == '.';
  };
  const auto in_host = [](char c) {
    return is_lower_or_digit(c) || std::string_view("-._:[]").find(c) != std::string_view::npos;
  };
  const std::string_view host = text.substr(colon + 3);
  return !host.empty() && std::ranges::all_of(text.substr(0, colon), in_scheme) &&
         std::ranges::all_of(host, in_host);
}

// A list of header names: safe to give back.
bool is_token_list(std::string_view text) {
  return text.size() <= kMaxRequestHeadersBytes && std::ranges::all_of(text, [](char c) {
           return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
                  c == ',' || c == ' ';
         });
}

}  // namespace

Result<CorsPolicy> CorsPolicy::allow(const std::vector<std::string>& origins) {
  CorsPolicy policy;
  for (const std::string& origin : origins) {
    if (origin == "*") {
      policy.allows_all_ = true;
    } else if (is_origin(origin)) {
      policy.origins_.push_back(origin);
    } else {
      return fail(ErrorCode::kInvalidArgument, "--cors-origin",
                  "'{}' is not an origin; write it like https://chat.example.org, in lower case "
                  "and without a path, or *",
                  origin);
    }
  }
  return policy;
}

bool CorsPolicy::allows(std::string_view origin) const {
  return !origin.empty() && (allows_all_ || std::ranges::find(origins_, origin) != origins_.end());
}

void CorsPolicy::add_headers(const net::HttpRequest& request, net::HttpHeaders& headers) const {
  if (!is_on()) return;
  if (allows_all_) {
    headers.emplace_back("Access-Control-Allow-Origin", "*");
  } else {
    // A cache must not hand one origin's answer to another, so also where none is allowed.
    headers.emplace_back("Vary", "Origin");
    const std::string_view origin = net::find_header(request.headers, "Origin");
    if (!allows(origin)) return;
    headers.emplace_back("Access-Control-Allow-Origin", origin);
  }
  headers.emplace_back("Access-Control-Expose-Headers", "*");
}

std::optional<net::HttpResponse> CorsPolicy::answer_preflight(
    const net::HttpRequest& request) const {
  const std::string_view origin = net::find_header(request.headers, "Origin");
  if (!is_on() || request.method != "OPTIONS" || origin.empty() ||
      net::find_header(request.headers, "Access-Control-Request-Method").empty()) {
    return std::nullopt;
  }
  if (!allows(origin)) return net::HttpResponse{403, {{"Vary", "Origin"}}, ""};
  net::HttpResponse response{204, {}, ""};
  add_headers(request, response.headers);
  const std::string_view wanted =
      net::find_header(request.headers, "Access-Control-Request-Headers");
  const bool echoes = !wanted.empty() && is_token_list(wanted);
  response.headers.emplace_back("Access-Control-Allow-Methods", kMethods);
  response.headers.emplace_back("Access-Control-Allow-Headers", echoes ? wanted : kUsualHeaders);
  response.headers.emplace_back("Access-Control-Max-Age", kMaxAgeSeconds);
  return response;
}

}  // namespace fathom::serve
