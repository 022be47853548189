// POST /v1/chat/completions.
#include <utility>

#include "serve/openai/answer/chat_answer.h"
#include "serve/openai/endpoints/chat_generation.h"
#include "serve/openai/endpoints/endpoints.h"
#include "serve/openai/endpoints/generate.h"

namespace fathom::serve {

base::Result<void> answer_chat(Backend& backend, const HttpTask& task) {
  ChatRequest request = TRY(parse_chat_request(task.exchange->request().body));
  TRY(backend.check_model(request.options.model));
  ChatGeneration generation =
      TRY(prepare_chat(backend, request.conversation, request.template_options, request.options));
  ChatAnswerOptions answer_options{generation.format, ""};
  if (request.echo) {
    answer_options.echo = request.conversation.messages.back().content.value_or("");
    answer_options.format.starts_in_reasoning = false;  // the echo shows its tags
  }
  std::vector<std::vector<base::TokenId>> prompts;
  prompts.push_back(std::move(generation.prompt));
  auto requests = TRY(
      generation_requests({request.options, generation.grammar}, prompts, backend, task.tenant));
  std::string id = backend.next_id("chatcmpl-", request.options.request_id);
  auto answer = make_chat_answer(
      backend.answer_context(task, std::move(id), std::move(request.options), std::move(prompts)),
      std::move(answer_options));
  return start_generations(backend, task, std::move(requests), std::move(answer));
}

}  // namespace fathom::serve
