// ChatGeneration: what a conversation becomes before an answer to it is generated.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "serve/openai/endpoints/backend.h"
#include "serve/openai/output/output_parser.h"
#include "serve/openai/request/chat_request.h"

namespace fathom::serve {

struct ChatGeneration {
  std::vector<base::TokenId> prompt;
  std::shared_ptr<const grammar::Grammar> grammar;  // the form or the forced call; or null
  OutputFormat format;                              // how to read the answer
};

// Renders, tokenizes, fits the prompt into the context and compiles the grammar. An answer that a
// grammar constrains has no reasoning: the prompt closes <think> if the template opened it.
base::Result<ChatGeneration> prepare_chat(const Backend& backend, const Conversation& conversation,
                                          const TemplateOptions& template_options,
                                          const GenerationOptions& options);

}  // namespace fathom::serve
