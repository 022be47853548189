// Status lines, headers and chunks.
#include "net/response_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/log.h"

namespace fathom::net {
namespace {

bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::string status_and_headers(int status, const HttpHeaders& headers) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", status,
                                 reason_phrase(status), fmt::gmtime(std::time(nullptr)));
  for (const auto& [name, value] : headers) {
    if (!is_one_line(name) || !is_one_line(value)) {
      base::log_error("HTTP server: an answer's header had a line break and was left out");
      continue;
    }
    text += name + ": " + value + "\r\n";
  }
  return text;
}

}  // namespace

std::string whole_text(const HttpResponse& response, const Framing& framing) {
  std::string text = status_and_headers(response.status, response.headers);
  const bool has_body = response.status >= 200 && response.status != 204 && response.status != 304;
  if (has_body) text += fmt::format("Content-Length: {}\r\n", response.body.size());
  if (!framing.keep_alive) {
    text += "Connection: close\r\n";
  } else if (framing.is_http_1_0) {
    text += "Connection: keep-alive\r\n";
  }
  text += "\r\n";
  if (has_body && !framing.is_head) text += response.body;
  return text;
}

std::string head_text(int status, const HttpHeaders& headers, const Framing& framing) {
  std::string text = status_and_headers(status, headers);
  if (!framing.is_http_1_0) text += "Transfer-Encoding: chunked\r\n";
  if (!framing.keep_alive || framing.is_http_1_0) text += "Connection: close\r\n";
  return text + "\r\n";
}

std::string piece_text(std::string_view piece, const Framing& framing) {
  if (framing.is_head || piece.empty()) return {};
  if (framing.is_http_1_0) return std::string(piece);
  return fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
}

std::string end_text(const Framing& framing) {
  return framing.is_head || framing.is_http_1_0 ? "" : "0\r\n\r\n";
}

}  // namespace fathom::net
