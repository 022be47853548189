// POST /v1/completions.
#include <utility>

#include "serve/openai/answer/completion_answer.h"
#include "serve/openai/endpoints/endpoints.h"
#include "serve/openai/endpoints/generate.h"

namespace fathom::serve {

base::Result<void> answer_completion(Backend& backend, const HttpTask& task) {
  CompletionRequest request = TRY(parse_completion_request(task.exchange->request().body));
  TRY(backend.check_model(request.options.model));
  CompletionAnswerOptions answer_options{{}, request.discards_answer};
  std::vector<std::vector<base::TokenId>> prompts;
  for (const PromptInput& input : request.prompts) {
    TRY(check_text_size(input.text.size(), request.options, backend, "prompt"));
    auto prompt = TRY(backend.prompts().encode(input, request.suffix, request.add_special_tokens));
    const std::size_t size = prompt.size();
    TRY(fit_prompt(prompt, request.options, backend, "prompt"));
    if (request.echo) {
      const bool is_as_written = input.tokens.empty() && prompt.size() == size;
      answer_options.echoes.push_back(
          is_as_written ? input.text
                        : TRY(backend.model()->tokenizer->decode(
                              prompt, {.skip_special = request.options.skip_special_tokens})));
    }
    prompts.push_back(std::move(prompt));
  }
  auto grammar = TRY(compile(request.options.structured));
  auto requests = TRY(
      generation_requests({request.options, std::move(grammar)}, prompts, backend, task.tenant));
  std::string id = backend.next_id("cmpl-", request.options.request_id);
  auto answer = make_completion_answer(
      backend.answer_context(task, std::move(id), std::move(request.options), std::move(prompts)),
      std::move(answer_options));
  return start_generations(backend, task, std::move(requests), std::move(answer));
}

}  // namespace fathom::serve
