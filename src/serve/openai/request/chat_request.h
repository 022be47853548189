// Requests of /v1/chat/completions: JSON text to checked values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/openai/request/conversation.h"
#include "serve/openai/request/generation_options.h"
#include "tokenizer/template/chat_template.h"

namespace fathom::serve {

// How messages become a prompt.
struct TemplateOptions {
  bool add_generation_prompt = true;
  bool continue_final_message = false;          // the answer goes on with the last message
  bool add_special_tokens = false;              // templates write their own
  std::string chat_template;                    // in place of the model's; empty: the model's
  std::vector<tokenizer::ChatField> variables;  // chat_template_kwargs
};

struct ChatRequest {
  GenerationOptions options;
  Conversation conversation;
  TemplateOptions template_options;
  bool echo = false;  // the answer begins with the assistant's message that it continues
};

// Every field is read, harmless, or refused. Errors: kInvalidArgument, whose place is the field.
base::Result<ChatRequest> parse_chat_request(std::string_view body);

base::Result<TemplateOptions> read_template_options(FieldReader& fields);

}  // namespace fathom::serve
