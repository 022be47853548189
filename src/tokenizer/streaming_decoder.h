// StreamingDecoder: tokens to text as they come, in whole characters.
#pragma once

#include <memory>
#include <string>

#include "base/token_id.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {

// One for each sequence; not thread-safe. All pieces together equal decode() of all tokens.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(std::shared_ptr<const Tokenizer> tokenizer,
                            const DecodeOptions& options = {})
      : tokenizer_(std::move(tokenizer)), options_(options) {}

  // The text that is certain now. Unknown ids count as nothing.
  std::string push(TokenId token);
  // What is left: the beginning of a character that never ended, as U+FFFD.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  DecodeOptions options_;
  std::string pending_;  // at most three bytes between calls
};

}  // namespace fathom::tokenizer
