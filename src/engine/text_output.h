// TextOutput: one answer's tokens as text, cut before the first stop string.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"

namespace fathom::engine {

class TextOutput {
 public:
  TextOutput(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, std::vector<std::string> stop);

  // The text that is certain now: whole characters that cannot be the start of a stop string.
  // After a stop string has been seen it is empty and stopped() is true.
  std::string push(base::TokenId token);
  // What was held back, at the end of an answer that met no stop string.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::string release();

  tokenizer::StreamingDecoder decoder_;
  std::vector<std::string> stop_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace fathom::engine
