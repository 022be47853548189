// Answers of /v1/chat/completions, whole or as a stream.
#pragma once

#include <memory>
#include <string>

#include "serve/openai/answer/answer.h"
#include "serve/openai/output/output_parser.h"

namespace fathom::serve {

struct ChatAnswerOptions {
  OutputFormat format;
  std::string echo;  // stands before the content
};

std::unique_ptr<Answer> make_chat_answer(AnswerContext context, ChatAnswerOptions options);

}  // namespace fathom::serve
