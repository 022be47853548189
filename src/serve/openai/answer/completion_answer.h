// Answers of /v1/completions, whole or as a stream.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/openai/answer/answer.h"

namespace fathom::serve {

struct CompletionAnswerOptions {
  std::vector<std::string> echoes;  // of each prompt, what stands before its answers; or empty
  bool discards_answer = false;     // only the echo is wanted
};

std::unique_ptr<Answer> make_completion_answer(AnswerContext context,
                                               CompletionAnswerOptions options);

}  // namespace fathom::serve
