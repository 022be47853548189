// Tools for models whose template knows none: a convention of ours, in plain text.
//
// A call is <tool_call>{"name": ..., "arguments": {...}}</tool_call>, as Qwen's models write it;
// its result comes back in <tool_response> tags.
#pragma once

#include <vector>

#include "serve/openai/request/conversation.h"
#include "tokenizer/template/chat_template.h"

namespace fathom::serve {

// Messages with a system message that describes the tools, and with calls and results as text.
std::vector<Message> with_tools_as_text(const Conversation& conversation);

// Messages as templates take them, calls and results as fields of their own.
std::vector<tokenizer::ChatMessage> to_chat_messages(const std::vector<Message>& messages);

}  // namespace fathom::serve
