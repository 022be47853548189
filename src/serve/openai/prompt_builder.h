// PromptBuilder: conversations and texts to the tokens that the engine is given.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "serve/openai/request/chat_request.h"
#include "serve/openai/request/completion_request.h"
#include "serve/openai/served_model.h"

namespace fathom::serve {

struct RenderedChat {
  std::string text;
  std::vector<base::ByteRange> untrusted;  // where control tokens count as text
  bool starts_in_reasoning = false;        // the prompt's end opens <think>
};

// Immutable: any thread may build.
class PromptBuilder {
 public:
  explicit PromptBuilder(std::shared_ptr<const ServedModel> model);

  struct ChatArgs {
    const Conversation& conversation;
    const TemplateOptions& options;
    // The answer is constrained from its first token: an open <think> is closed.
    bool skips_reasoning = false;
  };
  // Errors: kFailedPrecondition without a template, kInvalidArgument as the template says.
  //
  // A template that does not show tools gets a system message that describes them, and calls and
  // results of earlier turns as <tool_call> and <tool_response> texts of assistant and user.
  base::Result<RenderedChat> render(const ChatArgs& args) const;
  base::Result<std::vector<base::TokenId>> encode(const RenderedChat& chat,
                                                  const TemplateOptions& options) const;

  // A suffix asks for fill-in-the-middle, which needs the vocabulary's tokens for it.
  base::Result<std::vector<base::TokenId>> encode(const PromptInput& prompt,
                                                  const std::string& suffix,
                                                  bool add_special) const;

  // No text of so many bytes has fewer tokens: what to compare before tokenizing megabytes.
  std::int64_t min_tokens(std::size_t text_bytes) const;

 private:
  base::Result<tokenizer::ChatTemplate> template_for(const TemplateOptions& options) const;

  std::shared_ptr<const ServedModel> model_;
  bool renders_tools_ = false;
  std::size_t max_token_bytes_ = 1;
};

}  // namespace fathom::serve
