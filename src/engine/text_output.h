// TextOutput: one answer's tokens as text, cut at the first stop string.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"

namespace fathom::engine {

struct TextOutputOptions {
  std::vector<std::string> stop;  // none of them empty
  bool include_stop = false;      // the stop string stays in the text
  bool skip_special = true;
};

class TextOutput {
 public:
  TextOutput(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, TextOutputOptions options);

  // The text that is certain now: whole characters that cannot be the start of a stop string.
  // After a stop string has been seen it is empty and stopped() is true.
  std::string push(base::TokenId token);
  // What was held back, at the end of an answer that met no stop string.
  std::string finish();
  bool stopped() const { return !stop_text_.empty(); }
  // The stop string that was met; or empty.
  const std::string& stop_text() const { return stop_text_; }

 private:
  std::string release();

  tokenizer::StreamingDecoder decoder_;
  TextOutputOptions options_;
  std::string held_;
  std::string stop_text_;
};

}  // namespace fathom::engine
