// Log-probabilities in the three forms that clients know.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "tokenizer/tokenizer.h"

namespace fathom::serve {

// A token as valid UTF-8: what is no character alone becomes U+FFFD.
std::string token_text(const tokenizer::Tokenizer& tokenizer, base::TokenId token);

// Chat's: {"token", "logprob", "bytes", "top_logprobs": [{"token", "logprob", "bytes"}, ...]} of
// each, appended to `list`.
void append_chat_logprobs(const tokenizer::Tokenizer& tokenizer,
                          std::span<const engine::TokenLogprobs> logprobs,
                          boost::json::array& list);

// vLLM's prompt_logprobs: null for the first token, then {"id": {"logprob", "rank",
// "decoded_token"}} for each other, the prompt's own token first.
boost::json::array prompt_logprobs_json(const tokenizer::Tokenizer& tokenizer,
                                        std::span<const engine::TokenLogprobs> logprobs);

// The lists of /v1/completions: tokens, token_logprobs, top_logprobs, text_offset. A token that is
// no character alone is "bytes:\x.."; offsets count characters of the answer's text.
class CompletionLogprobs {
 public:
  CompletionLogprobs(const tokenizer::Tokenizer& tokenizer, bool has_top, bool skips_special);
  ~CompletionLogprobs();
  CompletionLogprobs(CompletionLogprobs&&) noexcept;
  CompletionLogprobs& operator=(CompletionLogprobs&&) = delete;

  // A prompt's first token, which nothing predicts.
  void add_first(base::TokenId token);
  void add(std::span<const engine::TokenLogprobs> logprobs);
  bool empty() const;
  // What was added since the last call.
  boost::json::object take();

 private:
  void add_token(base::TokenId token);

  const tokenizer::Tokenizer& tokenizer_;
  bool has_top_;
  bool skips_special_;
  std::int64_t offset_ = 0;
  struct Lists;
  std::unique_ptr<Lists> lists_;
};

}  // namespace fathom::serve
