// The endpoints that run on a worker: each takes a request, and answers it or says what is wrong.
#pragma once

#include "base/result.h"
#include "serve/openai/endpoints/backend.h"

namespace fathom::serve {

// An error was not answered yet: the caller does.
base::Result<void> answer_chat(Backend& backend, const HttpTask& task);
base::Result<void> answer_completion(Backend& backend, const HttpTask& task);
base::Result<void> answer_response(Backend& backend, const HttpTask& task);
base::Result<void> answer_embedding(Backend& backend, const HttpTask& task);
base::Result<void> answer_tokenize(Backend& backend, const HttpTask& task);
base::Result<void> answer_detokenize(Backend& backend, const HttpTask& task);
base::Result<void> answer_apply_template(Backend& backend, const HttpTask& task);

}  // namespace fathom::serve
