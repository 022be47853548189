// POST /v1/responses.
#include <utility>

#include "serve/openai/answer/responses_answer.h"
#include "serve/openai/endpoints/chat_generation.h"
#include "serve/openai/endpoints/endpoints.h"
#include "serve/openai/endpoints/generate.h"
#include "serve/openai/request/responses_request.h"

namespace fathom::serve {

base::Result<void> answer_response(Backend& backend, const HttpTask& task) {
  ResponsesRequest request = TRY(parse_responses_request(task.exchange->request().body));
  TRY(backend.check_model(request.options.model));
  ChatGeneration generation = TRY(prepare_chat(backend, request.conversation, {}, request.options)
                                      .transform_error([](base::Error error) {
                                        if (error.where == "messages") error.where = "input";
                                        return error;
                                      }));
  std::vector<std::vector<base::TokenId>> prompts;
  prompts.push_back(std::move(generation.prompt));
  auto requests = TRY(
      generation_requests({request.options, generation.grammar}, prompts, backend, task.tenant));
  std::string id = backend.next_id("resp_", request.options.request_id);
  auto answer = make_responses_answer(
      backend.answer_context(task, std::move(id), std::move(request.options), std::move(prompts)),
      {generation.format, std::move(request.repeated_json)});
  return start_generations(backend, task, std::move(requests), std::move(answer));
}

}  // namespace fathom::serve
