// ChatTemplate: a model's own way of writing a conversation down as one text.
//
// Hugging Face models bring it as a Jinja template. It is run in a sandbox that has values, the
// filters and methods of functions.h, and nothing else; steps, depth and output are capped.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "tokenizer/template/evaluator.h"

namespace fathom::tokenizer {

struct ChatMessage {
  std::string role;
  std::string content;
};

struct ChatContext {
  std::span<const ChatMessage> messages;
  bool add_generation_prompt = true;
};

struct RenderedPrompt {
  std::string text;
  // What came from the messages and not from the template: sorted, disjoint. Control tokens in
  // these ranges are nothing but text.
  std::vector<base::ByteRange> untrusted;
};

// Immutable: any thread may render.
class ChatTemplate {
 public:
  static base::Result<ChatTemplate> parse(std::string_view source, std::string_view where,
                                          const TemplateLimits& limits = {});
  // chat_template.jinja, or the chat_template of tokenizer_config.json with its BOS and EOS;
  // nullopt if the folder has neither.
  static base::Result<std::optional<ChatTemplate>> load(const std::filesystem::path& folder);

  // Errors of the template itself ("roles must alternate") are kInvalidArgument.
  base::Result<RenderedPrompt> render(const ChatContext& context) const;

  void set_special_tokens(std::string bos, std::string eos) {
    bos_token_ = std::move(bos);
    eos_token_ = std::move(eos);
  }
  const std::string& source() const { return source_; }

 private:
  std::string source_;
  std::shared_ptr<const Block> block_;
  TemplateLimits limits_;
  std::string bos_token_;
  std::string eos_token_;
};

}  // namespace fathom::tokenizer
