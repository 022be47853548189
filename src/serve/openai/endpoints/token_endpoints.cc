// POST /tokenize, /detokenize and /apply-template.
#include <boost/json.hpp>
#include <utility>

#include "serve/openai/answer/logprobs.h"
#include "serve/openai/answer/progress.h"
#include "serve/openai/endpoints/endpoints.h"
#include "serve/openai/request/token_request.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;

Result<RenderedChat> render(const Backend& backend, const TemplateRequest& request) {
  if (!request.options.chat_template.empty() && !backend.options().allows_request_templates) {
    return bad_field("chat_template", "this server takes no templates from requests");
  }
  return backend.prompts().render({request.conversation, request.options});
}

// These endpoints need no model's name, but a wrong one is an error.
Result<void> check_named_model(const Backend& backend, const std::string& name) {
  if (name.empty()) return {};
  return backend.check_model(name);
}

Result<std::vector<base::TokenId>> tokens_of(const Backend& backend,
                                             const TokenizeRequest& request) {
  if (request.chat) {
    const RenderedChat chat = TRY(render(backend, *request.chat));
    return backend.prompts().encode(chat, request.chat->options);
  }
  return backend.model()->tokenizer->encode(*request.prompt,
                                            {.add_special = request.add_special_tokens});
}

}  // namespace

Result<void> answer_tokenize(Backend& backend, const HttpTask& task) {
  const auto request = TRY(parse_tokenize_request(task.exchange->request().body));
  TRY(check_named_model(backend, request.model));
  const auto tokens = TRY(tokens_of(backend, request));
  json::object answer{{"count", tokens.size()},
                      {"max_model_len", backend.generator().max_context_tokens()},
                      {"tokens", tokens_json(tokens)},
                      {"token_strs", nullptr}};
  if (request.return_token_strings) {
    json::array texts;
    for (const base::TokenId token : tokens) {
      texts.emplace_back(token_text(*backend.model()->tokenizer, token));
    }
    answer["token_strs"] = std::move(texts);
  }
  respond_json(*task.exchange, json::serialize(answer));
  return {};
}

Result<void> answer_detokenize(Backend& backend, const HttpTask& task) {
  const auto request = TRY(parse_detokenize_request(task.exchange->request().body));
  TRY(check_named_model(backend, request.model));
  const auto text = TRY(backend.model()
                            ->tokenizer->decode(request.tokens, {.skip_special = false})
                            .transform_error([](const base::Error& error) {
                              return bad_field("tokens", error.text());
                            }));
  respond_json(*task.exchange, json::serialize(json::object{{"prompt", text}}));
  return {};
}

Result<void> answer_apply_template(Backend& backend, const HttpTask& task) {
  const auto request = TRY(parse_template_request(task.exchange->request().body));
  TRY(check_named_model(backend, request.model));
  const RenderedChat chat = TRY(render(backend, request));
  respond_json(*task.exchange, json::serialize(json::object{{"prompt", chat.text}}));
  return {};
}

}  // namespace fathom::serve
