// ServedModel: what the service must know of the model behind the generator.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tokenizer/template/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace fathom::serve {

struct ServedModel {
  std::string name;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::optional<tokenizer::ChatTemplate> chat_template;
  // Answers of chats begin with <think>...</think>, which goes to reasoning_content.
  bool splits_reasoning = false;
};

}  // namespace fathom::serve
