// Requests of /v1/completions: JSON text to checked values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "serve/openai/request/generation_options.h"

namespace fathom::serve {

// Text, or tokens if there are any.
struct PromptInput {
  std::string text;
  std::vector<base::TokenId> tokens;
};

struct CompletionRequest {
  GenerationOptions options;
  std::vector<PromptInput> prompts;  // at least one
  std::string suffix;                // the answer goes between the prompt and this; empty: none
  bool echo = false;                 // the answer begins with the prompt
  bool add_special_tokens = true;
  bool discards_answer = false;  // max_tokens is 0: only the prompt's echo is wanted
};

inline constexpr std::size_t kMaxCompletions = 128;  // prompts times answers of each

// Errors: kInvalidArgument, whose place is the field.
base::Result<CompletionRequest> parse_completion_request(std::string_view body);

// A text, a list of token ids, a list of texts, or a list of lists of token ids; none is empty.
base::Result<std::vector<PromptInput>> read_prompts(FieldReader& fields, std::string_view field,
                                                    std::size_t max_count);

}  // namespace fathom::serve
