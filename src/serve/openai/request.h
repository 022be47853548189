// Requests of /v1/chat/completions and /v1/completions: JSON text to checked values.
//
// Every number is range-checked and every field accounted for: what is not implemented yet is
// refused by its name unless it asks for nothing ("n": 1, "tools": []).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "engine/request.h"
#include "tokenizer/template/chat_template.h"

namespace fathom::serve {

// What both kinds of request have.
struct CompletionOptions {
  std::string model;
  std::optional<std::int64_t> max_tokens;  // absent: what the context holds
  engine::SamplingParameters sampling;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
};

struct ChatRequest {
  CompletionOptions options;
  std::vector<tokenizer::ChatMessage> messages;
};

struct CompletionRequest {
  CompletionOptions options;
  std::string prompt;
  std::vector<base::TokenId> prompt_tokens;  // in place of the text, if not empty
};

// Errors: kInvalidArgument, whose place is the field's name.
base::Result<ChatRequest> parse_chat_request(std::string_view body);
base::Result<CompletionRequest> parse_completion_request(std::string_view body);

}  // namespace fathom::serve
