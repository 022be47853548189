// Beast's parser, and what it lets pass but a proxy might read differently.
#include "net/request_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/pct_string_view.hpp>
#include <cctype>
#include <utility>

namespace fathom::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

// A chunked body that is empty; Beast asserts if it sees less of one.
constexpr std::string_view kLastChunk = "0\r\n\r\n";

// host[:port] and nothing else: what is no host may be a path or a user to somebody behind us.
bool is_host(std::string_view value) {
  return std::ranges::all_of(value, [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("-._~:[]%").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::string percent_decoded(std::string_view path) {
  const auto view = boost::urls::make_pct_string_view({path.data(), path.size()});
  if (view.has_error()) return std::string(path);
  std::string decoded;
  (*view).decode({}, boost::urls::string_token::assign_to(decoded));
  return decoded;
}

}  // namespace

struct RequestReader::Parser : http::request_parser<http::string_body> {};

RequestReader::RequestReader(const HttpServerOptions& options)
    : options_(options), parser_(std::make_unique<Parser>()) {
  parser_->header_limit(options_.max_header_bytes);
  parser_->body_limit(options_.max_body_bytes);
}

RequestReader::~RequestReader() = default;

std::size_t RequestReader::consume(std::string_view bytes) {
  if (bytes.empty() || state_ == State::kDone || state_ == State::kRefused) return 0;
  const bool in_body = state_ == State::kBody;
  if (in_body && parser_->chunked() && bytes.front() == '0' && bytes.size() < kLastChunk.size()) {
    return 0;
  }
  parser_->eager(in_body);
  boost::system::error_code code;
  const std::size_t taken = parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), code);
  if (!in_body) num_header_bytes_ += taken;
  if (code == http::error::header_limit || num_header_bytes_ > options_.max_header_bytes) {
    refuse(431,
           "the headers are longer than " + std::to_string(options_.max_header_bytes) + " bytes");
  } else if (code == http::error::body_limit) {
    refuse(413,
           "the body is over the limit of " + std::to_string(options_.max_body_bytes) + " bytes");
  } else if (code && code != http::error::need_more) {
    refuse(400, "malformed HTTP: " + code.message());
  } else if (!in_body && parser_->is_header_done()) {
    end_headers();
  } else if (taken == 0 && bytes.size() >= options_.max_header_bytes + kSlackBytes) {
    if (in_body) refuse(400, "a chunk header or trailer is too long");
    if (!in_body) refuse(431, "the headers are too long");
  }
  if (state_ != State::kRefused && parser_->is_done()) state_ = State::kDone;
  return taken;
}

std::size_t RequestReader::num_headers() const {
  return static_cast<std::size_t>(std::distance(parser_->get().begin(), parser_->get().end()));
}

void RequestReader::end_headers() {
  state_ = State::kBody;
  const auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  is_http_1_0_ = message.version() < 11;
  expects_continue_ = !is_http_1_0_ && !parser_->is_done() &&
                      beast::iequals(message[http::field::expect], "100-continue");
  if (num_headers() > options_.max_headers) {
    return refuse(431, "there are more than " + std::to_string(options_.max_headers) + " headers");
  }
  const auto num_hosts = message.count(http::field::host);
  if (num_hosts > 1 || (num_hosts == 0 && !is_http_1_0_)) {
    return refuse(400, "exactly one Host header is needed");
  }
  const auto host = message[http::field::host];
  if (!is_host({host.data(), host.size()})) return refuse(400, "the Host header is not a host");
  const auto num_encodings = message.count(http::field::transfer_encoding);
  if (num_encodings > 0) {
    if (is_http_1_0_) return refuse(400, "HTTP/1.0 has no Transfer-Encoding");
    if (message.count(http::field::content_length) > 0) {
      return refuse(400, "both Transfer-Encoding and Content-Length");
    }
    if (num_encodings > 1 || !beast::iequals(message[http::field::transfer_encoding], "chunked")) {
      return refuse(501, "the only Transfer-Encoding taken is chunked");
    }
  }
  request_.method = std::string(message.method_string());
  const std::string target(message.target());
  const std::size_t question = target.find('?');
  request_.path = percent_decoded(std::string_view(target).substr(0, question));
  if (question != std::string::npos) request_.query = target.substr(question + 1);
  for (const auto& field : message) {
    request_.headers.emplace_back(field.name_string(), field.value());
  }
}

std::size_t RequestReader::num_body_bytes() const { return parser_->get().body().size(); }

HttpRequest RequestReader::take() {
  request_.body = std::move(parser_->get().body());
  return std::move(request_);
}

void RequestReader::refuse(int status, std::string reason) {
  state_ = State::kRefused;
  keep_alive_ = false;
  refusal_ = {status, std::move(reason)};
}

}  // namespace fathom::net
