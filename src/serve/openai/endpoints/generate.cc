// Words become tokens here, since parsing knows no vocabulary.
#include "serve/openai/endpoints/generate.h"

#include <algorithm>
#include <utility>

#include "serve/openai/answer/generation_group.h"

namespace fathom::serve {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::TokenId;

// Added to the logit of each allowed token, which leaves all others without probability: what
// lies this far below the best is zero in float after the softmax, at any temperature we take.
constexpr float kAllowedBias = 1000.0F;

Result<void> check_token(TokenId token, const tokenizer::Tokenizer& tokenizer,
                         std::string_view field) {
  if (base::index(token) < tokenizer.vocab_size()) return {};
  return fail(ErrorCode::kInvalidArgument, field, "there is no token {}: the vocabulary has {}",
              base::index(token), tokenizer.vocab_size());
}

Result<engine::SamplingParameters> sampling_of(const GenerationOptions& options,
                                               const tokenizer::Tokenizer& tokenizer) {
  engine::SamplingParameters sampling = options.sampling;
  for (const engine::TokenBias& bias : sampling.logit_bias) {
    TRY(check_token(bias.token, tokenizer, "logit_bias"));
  }
  std::vector<TokenId> allowed = options.allowed_tokens;
  std::ranges::sort(allowed);
  allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  for (const TokenId token : allowed) {
    TRY(check_token(token, tokenizer, "allowed_token_ids"));
    const auto same = std::ranges::find(sampling.logit_bias, token, &engine::TokenBias::token);
    if (same == sampling.logit_bias.end()) {
      sampling.logit_bias.push_back({token, kAllowedBias});
    } else {
      same->bias += kAllowedBias;
    }
  }
  return sampling;
}

// A word, and the same after a space: their tokens may differ in kind and number.
Result<void> add_bad_word(const std::string& word, const tokenizer::Tokenizer& tokenizer,
                          engine::StopConditions& stop) {
  const auto plain = TRY(tokenizer.encode(word, {.add_special = false}));
  const auto spaced = TRY(tokenizer.encode(" " + word, {.add_special = false}));
  if (!plain.empty()) stop.bad_words.push_back(plain);
  if (spaced != plain) stop.bad_words.push_back(spaced);
  return {};
}

Result<engine::StopConditions> stop_of(const GenerationOptions& options,
                                       const tokenizer::Tokenizer& tokenizer) {
  engine::StopConditions stop = options.stop;
  if (stop.max_tokens && stop.min_tokens > *stop.max_tokens) {
    return fail(ErrorCode::kInvalidArgument, "min_tokens", "more than max_tokens");
  }
  for (const TokenId token : stop.token_ids) {
    TRY(check_token(token, tokenizer, "stop_token_ids"));
  }
  for (const std::string& word : options.bad_words) TRY(add_bad_word(word, tokenizer, stop));
  return stop;
}

}  // namespace

Result<void> fit_prompt(std::vector<TokenId>& prompt, const GenerationOptions& options,
                        const Backend& backend, std::string_view field) {
  const std::int64_t limit = backend.generator().max_context_tokens();
  const std::int64_t wanted = options.stop.max_tokens.value_or(1);
  if (const auto asked = options.truncate_prompt_tokens) {
    const std::int64_t kept = std::max<std::int64_t>(*asked == -1 ? limit - wanted : *asked, 1);
    if (std::ssize(prompt) > kept) prompt.erase(prompt.begin(), prompt.end() - kept);
  }
  if (prompt.empty()) return fail(ErrorCode::kInvalidArgument, field, "the prompt has no tokens");
  for (const TokenId token : prompt) {
    TRY(check_token(token, *backend.model()->tokenizer, field));
  }
  if (std::ssize(prompt) + wanted <= limit) return {};
  return fail(ErrorCode::kOutOfRange, field,
              "the prompt has {} tokens and the answer may have {}, but the context holds {}; "
              "shorten the prompt or ask for fewer tokens",
              prompt.size(), wanted, limit);
}

Result<void> check_text_size(std::size_t text_bytes, const GenerationOptions& options,
                             const Backend& backend, std::string_view field) {
  const std::int64_t limit = backend.generator().max_context_tokens();
  const std::int64_t min_tokens = backend.prompts().min_tokens(text_bytes);
  if (options.truncate_prompt_tokens || min_tokens <= limit) return {};
  return fail(ErrorCode::kOutOfRange, field,
              "the prompt has at least {} tokens, but the context holds {}; shorten the prompt",
              min_tokens, limit);
}

Result<std::vector<engine::GenerationRequest>> generation_requests(
    const GenerationArgs& args, const std::vector<std::vector<TokenId>>& prompts,
    const Backend& backend, const std::string& tenant) {
  const GenerationOptions& options = args.options;
  const tokenizer::Tokenizer& tokenizer = *backend.model()->tokenizer;
  const auto sampling = TRY(sampling_of(options, tokenizer));
  const auto stop = TRY(stop_of(options, tokenizer));
  std::vector<engine::GenerationRequest> requests;
  for (const auto& prompt : prompts) {
    const auto group = std::make_shared<engine::AnswerGroup>(options.num_answers);
    for (std::int64_t i = 0; i < options.num_answers; ++i) {
      engine::GenerationRequest& request = requests.emplace_back();
      request.prompt = prompt;
      request.stop = stop;
      request.sampling = sampling;
      if (sampling.seed) {  // unsigned, so that the largest seed may be followed by another
        request.sampling.seed = static_cast<std::int64_t>(
            static_cast<std::uint64_t>(*sampling.seed) + static_cast<std::uint64_t>(i));
      }
      request.grammar = args.grammar;
      request.skip_special_tokens = options.skip_special_tokens;
      request.top_logprobs = options.top_logprobs;
      request.prompt_logprobs = options.prompt_logprobs;
      request.priority = options.priority;
      request.queue_deadline = backend.options().queue_deadline;
      request.tenant = tenant;
      request.group = group;
    }
  }
  return requests;
}

Result<void> start_generations(Backend& backend, const HttpTask& task,
                               std::vector<engine::GenerationRequest> requests,
                               std::unique_ptr<Answer> answer) {
  return run_generations({.requests = std::move(requests),
                          .answer = std::move(answer),
                          .exchange = task.exchange,
                          .generator = backend.generator(),
                          .ticket = task.ticket});
}

}  // namespace fathom::serve
