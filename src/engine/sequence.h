// Sequence: one request on its way through the engine.
//
// The host enqueues a step before it has seen the tokens of the one before, so a sequence has two
// lengths: the tokens that the host knows, and those with the ones still in flight.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/block_pool.h"
#include "engine/request.h"
#include "grammar/grammar.h"

namespace fathom::engine {

class Answer;

struct Sequence {
  using Clock = std::chrono::steady_clock;

  std::int64_t num_prompt_tokens() const { return std::ssize(request.prompt); }
  std::int64_t num_known() const { return std::ssize(tokens); }
  std::int64_t num_tokens() const { return num_known() + num_in_flight; }
  std::int64_t num_completion_tokens() const { return num_known() - num_prompt_tokens(); }
  // Tokens whose keys and values are still to be computed; 1 while decoding.
  std::int64_t num_pending() const { return num_tokens() - num_computed; }
  bool is_embedding() const { return pooling.has_value(); }
  // Only these may be paused: others were promised their blocks.
  bool can_grow() const { return !is_embedding() && !request.stop.max_tokens; }
  // No further token will be wanted.
  bool is_full() const {
    return is_embedding() ? num_pending() == 0 : num_tokens() >= max_total_tokens;
  }
  bool has_penalties() const {
    const SamplingParameters& asked = request.sampling;
    return asked.repetition_penalty != 1.0F || asked.presence_penalty != 0.0F ||
           asked.frequency_penalty != 0.0F;
  }
  bool wants_logprobs() const { return request.top_logprobs || request.prompt_logprobs; }
  // Whether what has been computed for others may stand in for computing its own rows: not where
  // each row's result is wanted.
  bool can_use_cache() const { return !is_embedding() && !request.prompt_logprobs; }

  RequestId id{};
  GenerationRequest request;
  std::optional<Pooling> pooling;  // an EmbeddingRequest
  std::shared_ptr<Answer> answer;
  std::optional<grammar::Matcher> matcher;  // of request.grammar
  std::int64_t seed = 0;
  std::int64_t max_total_tokens = 0;  // prompt and answer

  std::vector<TokenId> tokens;     // known ones: prompt, then answer
  std::int64_t num_in_flight = 0;  // sampled in a step whose result is not known yet
  std::int64_t num_computed = 0;   // leading tokens whose keys and values are in the cache, or
                                   // will be when all that is enqueued has run
  std::int64_t num_counted = 0;    // leading tokens in the penalties' counts
  std::vector<TokenId> draft;      // guesses that the step in flight checks
  std::int64_t num_accepted = 0;   // of them, so far
  std::vector<BlockId> blocks;     // in order of position
  std::vector<BlockHash> hashes;   // of the leading full blocks of `tokens`
  std::int64_t num_published = 0;  // leading blocks that the pool knows the contents of
  std::int64_t num_cached = 0;     // prompt tokens that the prefix cache had
  std::int32_t slot = -1;          // its row in per-sequence device arrays, while it runs
  bool is_over = false;

  std::vector<TokenLogprobs> prompt_logprobs;  // so far
  Clock::time_point submitted = Clock::now();
  std::optional<Clock::time_point> admitted;
  std::optional<Clock::time_point> first_token;
  std::optional<Clock::time_point> paused;
  Clock::duration paused_for{};
  std::int32_t num_pauses = 0;
  std::int64_t num_lost = 0;        // tokens that were computed when it was paused last
  std::int64_t num_recomputed = 0;  // of those lost to pauses, the ones to compute anew
};

using SequencePtr = std::shared_ptr<Sequence>;

}  // namespace fathom::engine
