// Errors as OpenAI's API shows them.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/generator.h"
#include "net/http_message.h"

namespace fathom::serve {

// The HTTP status of each code, for every API that fathom speaks.
int http_status(base::ErrorCode code);

// {"error": {"message", "type", "param", "code"}}. `param` names the field at fault and `code` the
// case for machines; either may be empty, which gives null.
struct ApiError {
  int status = 400;
  std::string message;
  std::string param;
  std::string code;
  std::optional<std::chrono::seconds> retry_after;  // the header of that name
};
std::string error_json(const ApiError& error);
net::HttpResponse error_response(const ApiError& error);

// An Error's place is its field.
ApiError api_error(const base::Error& error);
// The same, and when to come again if that makes sense.
ApiError api_error(const base::Error& error, const engine::Generator& generator);

}  // namespace fathom::serve
