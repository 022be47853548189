// Requests of /v1/responses: JSON text to checked values.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/openai/request/conversation.h"
#include "serve/openai/request/generation_options.h"

namespace fathom::serve {

struct ResponsesRequest {
  GenerationOptions options;
  Conversation conversation;  // instructions are its first message
  // JSON object of the fields that the answer repeats: instructions, tools, temperature and so on.
  std::string repeated_json;
};

// Nothing is kept between requests: what refers to an earlier response is refused. Errors:
// kInvalidArgument, whose place is the field.
base::Result<ResponsesRequest> parse_responses_request(std::string_view body);

}  // namespace fathom::serve
