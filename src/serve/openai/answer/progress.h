// Progress: what is counted of one generation, and the objects that show it.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "engine/request.h"
#include "serve/openai/answer/answer.h"
#include "tokenizer/tokenizer.h"

namespace fathom::serve {

struct Progress {
  std::int64_t completion_tokens = 0;
  std::int64_t cached_prompt_tokens = 0;
  std::int64_t reasoning_tokens = 0;
  std::optional<engine::FinishReason> finish;
  std::string stop_text;
  std::optional<base::TokenId> stop_token;
  engine::Timings timings;

  void take(const engine::GenerationDelta& delta);
};

// Counts the tokens of <think>...</think>, tags included; in a vocabulary without tokens for the
// tags, those that come while the text is within.
class ReasoningCounter {
 public:
  ReasoningCounter(const tokenizer::Tokenizer& tokenizer, bool starts_in_reasoning);
  std::int64_t count(std::span<const base::TokenId> tokens, bool is_text_in_reasoning);

 private:
  std::optional<base::TokenId> begin_;
  std::optional<base::TokenId> end_;
  bool is_within_;
};

// prompt, completion and total tokens, their details, and `context`: the tokens that the context
// holds, those that the longest answer used with its prompt, those that it had reserved (null
// without max_tokens).
boost::json::object usage_json(const AnswerContext& context, std::span<const Progress> progress);
// Of several generations, the longest of each phase.
boost::json::object timings_json(std::span<const Progress> progress);
// What ended the answer: a stop string, a stop token's id, or null for all else.
boost::json::value stop_reason_json(const Progress& progress);
boost::json::array tokens_json(std::span<const base::TokenId> tokens);
// "fathom-VERSION".
std::string_view system_fingerprint();

}  // namespace fathom::serve
