// One table from codes to statuses.
#include "serve/openai/error_response.h"

#include <algorithm>
#include <boost/json.hpp>

#include "tokenizer/utf8.h"

namespace fathom::serve {

namespace json = boost::json;
using base::ErrorCode;

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kOutOfRange:
    case ErrorCode::kFailedPrecondition:
      return 400;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kAborted:
      return 409;
    case ErrorCode::kResourceExhausted:
      return 429;
    case ErrorCode::kCancelled:
      return 499;
    case ErrorCode::kUnimplemented:
      return 501;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
      return 503;
    case ErrorCode::kUnknown:
    case ErrorCode::kInternal:
    case ErrorCode::kDataLoss:
      return 500;
  }
  return 500;
}

std::string error_json(const ApiError& error) {
  const char* const type = error.status == 401   ? "authentication_error"
                           : error.status == 403 ? "permission_error"
                           : error.status == 429 ? "rate_limit_error"
                           : error.status >= 500 ? "server_error"
                                                 : "invalid_request_error";
  // Paths and cut names may be any bytes.
  const auto or_null = [](const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(tokenizer::to_valid_utf8(text));
  };
  return json::serialize(
      json::object{{"error", json::object{{"message", tokenizer::to_valid_utf8(error.message)},
                                          {"type", type},
                                          {"param", or_null(error.param)},
                                          {"code", or_null(error.code)}}}});
}

net::HttpResponse error_response(const ApiError& error) {
  net::HttpResponse response{
      error.status, {{"Content-Type", "application/json"}}, error_json(error)};
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.retry_after) {
    const auto seconds = std::max<std::int64_t>(error.retry_after->count(), 1);
    response.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  return response;
}

ApiError api_error(const base::Error& error) {
  ApiError shown{http_status(error.code), error.text(), error.where, "", {}};
  if (error.code == ErrorCode::kOutOfRange) shown.code = "context_length_exceeded";
  if (error.code == ErrorCode::kNotFound && error.where == "model") shown.code = "model_not_found";
  return shown;
}

ApiError api_error(const base::Error& error, const engine::Generator& generator) {
  ApiError shown = api_error(error);
  if (shown.status == 429 || shown.status == 503) shown.retry_after = generator.retry_after();
  return shown;
}

}  // namespace fathom::serve
