// Answers of /v1/responses, whole or as a stream.
#pragma once

#include <memory>
#include <string>

#include "serve/openai/answer/answer.h"
#include "serve/openai/output/output_parser.h"

namespace fathom::serve {

struct ResponsesAnswerOptions {
  OutputFormat format;
  std::string repeated_json;  // of the request: fields that the answer repeats
};

std::unique_ptr<Answer> make_responses_answer(AnswerContext context,
                                              ResponsesAnswerOptions options);

}  // namespace fathom::serve
