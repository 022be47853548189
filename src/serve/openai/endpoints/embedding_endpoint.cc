// POST /v1/embeddings.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "serve/openai/answer/embedding_answer.h"
#include "serve/openai/answer/embedding_group.h"
#include "serve/openai/endpoints/endpoints.h"
#include "serve/openai/endpoints/generate.h"
#include "serve/openai/request/embedding_request.h"

namespace fathom::serve {
namespace {

using base::Result;

constexpr std::int64_t kMaxValues = std::int64_t{4} << 20;  // in one answer

Result<void> check_size(const EmbeddingsRequest& request, std::int64_t embedding_size) {
  if (request.dimensions && *request.dimensions != embedding_size) {
    return bad_field("dimensions", fmt::format("this model's embeddings have {}, and cannot be cut",
                                               embedding_size));
  }
  const std::int64_t max_inputs = std::max<std::int64_t>(kMaxValues / embedding_size, 1);
  if (std::ssize(request.inputs) > max_inputs) {
    return bad_field("input", fmt::format("more than {} in one request", max_inputs));
  }
  return {};
}

}  // namespace

Result<void> answer_embedding(Backend& backend, const HttpTask& task) {
  const auto request = TRY(parse_embeddings_request(task.exchange->request().body));
  TRY(backend.check_model(request.model));
  TRY(check_size(request, std::max<std::int64_t>(backend.generator().embedding_size(), 1)));
  GenerationOptions fit;  // an embedding needs no room for an answer
  fit.stop.max_tokens = 0;
  fit.truncate_prompt_tokens = request.truncate_prompt_tokens;
  std::int64_t prompt_tokens = 0;
  std::vector<engine::EmbeddingRequest> requests;
  for (const PromptInput& input : request.inputs) {
    TRY(check_text_size(input.text.size(), fit, backend, "input"));
    auto prompt = TRY(backend.prompts().encode(input, "", request.add_special_tokens));
    TRY(fit_prompt(prompt, fit, backend, "input"));
    prompt_tokens += std::ssize(prompt);
    requests.push_back({.prompt = std::move(prompt),
                        .pooling = request.pooling,
                        .priority = request.priority,
                        .queue_deadline = backend.options().queue_deadline});
  }
  run_embeddings({.requests = std::move(requests),
                  .generator = backend.generator(),
                  .exchange = task.exchange,
                  .to_json =
                      [model = backend.model(), prompt_tokens,
                       is_base64 = request.is_base64](const auto& embeddings) {
                        return embeddings_json(embeddings, {model->name, prompt_tokens, is_base64});
                      },
                  .ticket = task.ticket});
  return {};
}

}  // namespace fathom::serve
