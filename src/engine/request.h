// What a caller asks of the engine, and what it gets back.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/token_id.h"

namespace fathom::grammar {
class Grammar;
}

namespace fathom::engine {

using base::TokenId;

enum class RequestId : std::uint64_t {};

struct TokenBias {
  TokenId token{};
  float bias = 0;  // added to the logit; -infinity bans the token
};

// The order in which they apply is that of kernels/sample/sample.h.
struct SamplingParameters {
  float temperature = 1.0F;         // 0: greedy
  std::int32_t top_k = 0;           // 0: off
  float top_p = 1.0F;               // (0, 1]
  float min_p = 0.0F;               // [0, 1]
  float repetition_penalty = 1.0F;  // above 0; 1: off
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  std::vector<TokenBias> logit_bias;
  std::optional<std::int64_t> seed;  // absent: one is drawn
};

// When an answer ends, and what it must not say.
struct StopConditions {
  std::optional<std::int64_t> max_tokens;  // at least one; absent: what the context holds
  std::int64_t min_tokens = 0;             // before them no end token is drawn
  std::vector<std::string> texts;          // text that ends the answer and is not part of it
  bool include_text = false;               // unless this is set
  std::vector<TokenId> token_ids;          // end the answer as its end token does
  bool ignore_eos = false;
  std::vector<std::vector<TokenId>> bad_words;  // sequences that never come
};

// The answers that one client's request asked for (`n`), for whoever counts requests.
struct AnswerGroup {
  explicit AnswerGroup(std::int64_t num) : num_answers(num) {}
  const std::int64_t num_answers;
  std::atomic<std::int64_t> num_ended{0};
  std::atomic<std::int64_t> longest_tokens{0};
};

struct GenerationRequest {
  std::vector<TokenId> prompt;  // at least one token
  StopConditions stop;
  SamplingParameters sampling;
  std::shared_ptr<const grammar::Grammar> grammar;  // the answer's text conforms to it; or null
  bool skip_special_tokens = true;                  // leaves them out of the text
  std::optional<std::int32_t> top_logprobs;         // 0 to 20: delivers TokenLogprobs
  std::optional<std::int32_t> prompt_logprobs;      // the same for the prompt
  std::int64_t priority = 0;                        // lower ones go first
  std::optional<std::chrono::milliseconds> queue_deadline;  // the longest it may wait to begin
  std::string tenant;                  // cached prefixes are shared within a tenant, never across
  std::shared_ptr<AnswerGroup> group;  // null: the only answer; the engine does not look at it
};

enum class FinishReason { kStop, kLength, kCancelled, kError };

// "stop", "length", "cancelled", "error".
std::string_view name(FinishReason reason);

// Milliseconds from the submission: waiting, then the prompt, then the answer. A request without
// max_tokens may be paused when blocks run out; the time until it went on is in paused_ms, and
// in none of the others.
struct Timings {
  double queue_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  double paused_ms = 0;
  std::int32_t num_pauses = 0;
};

struct LikelyToken {
  TokenId token{};
  float logprob = 0;  // log-softmax of the raw logits

  bool operator==(const LikelyToken&) const = default;
};

struct TokenLogprobs {
  LikelyToken chosen;
  std::int32_t rank = 0;         // 1: the likeliest
  std::vector<LikelyToken> top;  // as many as asked for, likeliest first

  bool operator==(const TokenLogprobs&) const = default;
};

// A piece of an answer. Text comes in whole characters, and never holds a part of a stop string;
// tokens may come before their text.
struct GenerationDelta {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenLogprobs> logprobs;         // of `tokens`, if asked for
  std::vector<TokenLogprobs> prompt_logprobs;  // in the first delta: all but the first token's
  std::optional<FinishReason> finish;          // in the last delta
  std::string stop_text;                       // with kStop: the stop string met, if one was
  std::optional<TokenId> stop_token;           // with kStop: the one of StopConditions::token_ids
  std::optional<base::Error> error;            // with kError
  std::int64_t completion_tokens = 0;          // so far
  std::int64_t cached_prompt_tokens = 0;       // taken from the prefix cache
  std::int64_t recomputed_tokens = 0;          // computed again after pauses, so far
  Timings timings;                             // complete in the last delta
};

// Called in order, on one of the engine's threads but never the one that runs steps, until the
// delta with `finish`: should not block, since it holds up other answers' text.
using DeltaCallback = std::function<void(GenerationDelta)>;

enum class Pooling { kMean, kLast };

struct EmbeddingRequest {
  std::vector<TokenId> prompt;  // at least one token
  Pooling pooling = Pooling::kMean;
  std::int64_t priority = 0;
  std::optional<std::chrono::milliseconds> queue_deadline;
};

struct EmbeddingAnswer {
  std::vector<float> values;  // the pooled last hidden state, not normalized: [hidden_size]
  std::optional<base::Error> error;
  Timings timings;
};

// Called once, as a DeltaCallback is.
using EmbeddingCallback = std::function<void(EmbeddingAnswer)>;

}  // namespace fathom::engine
