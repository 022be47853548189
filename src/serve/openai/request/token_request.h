// Requests of /tokenize, /detokenize and /apply-template: JSON text to checked values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "serve/openai/request/chat_request.h"

namespace fathom::serve {

// A conversation as /v1/chat/completions would render it.
struct TemplateRequest {
  std::string model;  // may be empty
  Conversation conversation;
  TemplateOptions options;
};

struct TokenizeRequest {
  std::string model;                  // may be empty
  std::optional<std::string> prompt;  // else: chat
  bool add_special_tokens = true;     // of prompt
  std::optional<TemplateRequest> chat;
  bool return_token_strings = false;
};

struct DetokenizeRequest {
  std::string model;  // may be empty
  std::vector<base::TokenId> tokens;
};

// Errors: kInvalidArgument, whose place is the field.
base::Result<TokenizeRequest> parse_tokenize_request(std::string_view body);
base::Result<DetokenizeRequest> parse_detokenize_request(std::string_view body);
base::Result<TemplateRequest> parse_template_request(std::string_view body);

}  // namespace fathom::serve
