// Sequence: one request on its way through the engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/block_pool.h"
#include "engine/request.h"
#include "engine/text_output.h"

namespace fathom::engine {

struct Sequence {
  using Clock = std::chrono::steady_clock;

  Sequence(RequestId request_id, GenerationRequest asked, DeltaCallback callback, TextOutput output)
      : id(request_id),
        request(std::move(asked)),
        on_delta(std::move(callback)),
        text(std::move(output)),
        tokens(request.prompt) {}

  std::int64_t num_tokens() const { return std::ssize(tokens); }
  std::int64_t num_prompt_tokens() const { return std::ssize(request.prompt); }
  std::int64_t num_completion_tokens() const { return num_tokens() - num_prompt_tokens(); }
  // Tokens whose keys and values are still to be computed; 1 while decoding.
  std::int64_t num_pending() const { return num_tokens() - num_computed; }
  std::int64_t max_total_tokens() const { return num_prompt_tokens() + request.max_tokens; }

  RequestId id;
  GenerationRequest request;
  DeltaCallback on_delta;
  TextOutput text;
  std::vector<TokenId> tokens;    // prompt, then answer
  std::int64_t num_computed = 0;  // leading tokens whose keys and values are in the cache
  std::vector<BlockId> blocks;    // reserved at admission for max_total_tokens()
  std::int64_t seed = 0;
  Clock::time_point submitted = Clock::now();
  Clock::time_point admitted;
  Clock::time_point first_token;
};

}  // namespace fathom::engine
