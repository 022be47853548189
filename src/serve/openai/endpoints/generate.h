// From checked options and tokens to the engine's requests.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "serve/openai/answer/answer.h"
#include "serve/openai/endpoints/backend.h"
#include "serve/openai/request/generation_options.h"

namespace fathom::serve {

// Cuts a prompt as truncate_prompt_tokens asks, then refuses one that the context does not hold
// with its answer: kOutOfRange with the numbers. `field` is where the prompt came from.
base::Result<void> fit_prompt(std::vector<base::TokenId>& prompt, const GenerationOptions& options,
                              const Backend& backend, std::string_view field);

// The same for a text that is so long that its tokens need not be counted.
base::Result<void> check_text_size(std::size_t text_bytes, const GenerationOptions& options,
                                   const Backend& backend, std::string_view field);

// The engine's request for one answer of a prompt: number 0 has the request's seed, the next ones
// count on from it.
struct GenerationArgs {
  const GenerationOptions& options;
  std::shared_ptr<const grammar::Grammar> grammar;
};
base::Result<std::vector<engine::GenerationRequest>> generation_requests(
    const GenerationArgs& args, const std::vector<std::vector<base::TokenId>>& prompts,
    const Backend& backend, const std::string& tenant);

// Submits them, and lets the answer have what comes.
base::Result<void> start_generations(Backend& backend, const HttpTask& task,
                                     std::vector<engine::GenerationRequest> requests,
                                     std::unique_ptr<Answer> answer);

}  // namespace fathom::serve
