// What completions have beyond the fields that all requests share.
#include "serve/openai/request/completion_request.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::int64_t kDefaultMaxTokens = 16;  // this endpoint's, as OpenAI has it

Result<std::vector<base::TokenId>> read_token_list(const json::array& list,
                                                   std::string_view where) {
  if (list.empty()) return bad_field(where, "a list of token ids is empty");
  std::vector<base::TokenId> tokens;
  tokens.reserve(list.size());
  for (const json::value& id : list) tokens.push_back(TRY(read_token(id, where)));
  return tokens;
}

Result<void> read_completion_options(FieldReader& fields, CompletionRequest& request) {
  GenerationOptions& options = request.options;
  options = TRY(read_generation_options(fields));
  if (const auto top = TRY(fields.integer("logprobs", 0, 5))) {
    options.top_logprobs = static_cast<std::int32_t>(*top);
  }
  request.echo = TRY(fields.boolean("echo"));
  request.suffix = TRY(fields.text("suffix"));
  request.add_special_tokens = TRY(fields.boolean("add_special_tokens", true));
  const auto best_of = TRY(fields.integer("best_of", 1, kMaxAnswers));
  if (best_of && *best_of != options.num_answers) {
    return fields.bad("best_of", "must equal n: answers are not ranked");
  }
  auto max_tokens = TRY(fields.integer("max_tokens", 0, kMaxMaxTokens));
  if (!max_tokens) max_tokens = kDefaultMaxTokens;
  request.discards_answer = *max_tokens == 0;
  if (request.discards_answer && (!request.echo || options.stream)) {
    return fields.bad("max_tokens", "0 only with echo, and without stream");
  }
  options.stop.max_tokens = std::max<std::int64_t>(*max_tokens, 1);
  if (request.echo && options.top_logprobs) options.prompt_logprobs = options.top_logprobs;
  return {};
}

}  // namespace

Result<std::vector<PromptInput>> read_prompts(FieldReader& fields, std::string_view field,
                                              std::size_t max_count) {
  const json::value* value = fields.find(field);
  if (value == nullptr) return fields.bad(field, "missing");
  std::vector<PromptInput> prompts;
  if (value->is_string()) {
    prompts.push_back({std::string(value->get_string()), {}});
    return prompts;
  }
  if (!value->is_array() || value->get_array().empty()) {
    return fields.bad(field, "neither a string nor a list of strings or token ids");
  }
  const json::array& list = value->get_array();
  if (list[0].is_number()) {
    prompts.push_back({ "", TRY(read_token_list(list, field)) });
    return prompts;
  }
  if (list.size() > max_count) {
    return fields.bad(field, fmt::format("more than {} in one request", max_count));
  }
  for (const json::value& each : list) {
    if (each.is_string()) {
      prompts.push_back({std::string(each.get_string()), {}});
    } else if (each.is_array()) {
      prompts.push_back({ "", TRY(read_token_list(each.get_array(), field)) });
    } else {
      return fields.bad(field, "an entry is neither a string nor a list of token ids");
    }
  }
  return prompts;
}

Result<CompletionRequest> parse_completion_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  CompletionRequest request;
  TRY(read_completion_options(fields, request));
  request.prompts = TRY(read_prompts(fields, "prompt", kMaxCompletions));
  const auto num_answers = static_cast<std::size_t>(request.options.num_answers);
  if (request.prompts.size() * num_answers > kMaxCompletions) {
    return fields.bad("n", fmt::format("more than {} answers in all", kMaxCompletions));
  }
  if (!request.suffix.empty()) {
    if (request.echo) return fields.bad("suffix", "not with echo");
    for (const PromptInput& prompt : request.prompts) {
      if (!prompt.tokens.empty()) return fields.bad("suffix", "only with prompts that are text");
    }
  }
  TRY(fields.refuse_rest(harmless_fields()));
  return request;
}

}  // namespace fathom::serve
