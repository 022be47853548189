// ChatTemplate: a model's own way to write a conversation as one prompt.
//
// Templates come with the model and are not trusted: a sandboxed interpreter runs them, with the
// meaning that transformers gives them (Jinja with trim_blocks, lstrip_blocks and loop controls,
// no attributes beyond the data, no input or output, no clock) and with limits on everything.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "tokenizer/template/limits.h"

namespace fathom::tokenizer {

// A named value, as JSON text: "\"a string\"", "[1, 2]" and so on.
struct ChatField {
  std::string name;
  std::string json;
};

struct ChatMessage {
  std::string role;
  std::optional<std::string> content;  // nothing: none, as beside tool calls
  std::vector<ChatField> fields = {};  // tool_calls, reasoning_content and the like, in order
};

// What a template sees. All of it but the special tokens and the roles system, user, assistant,
// tool and developer counts as untrusted.
struct ChatContext {
  std::vector<ChatMessage> messages = {};
  bool add_generation_prompt = true;
  std::string tools_json = {};                          // empty: none
  std::vector<ChatField> variables = {};                // a request's chat_template_kwargs
  std::optional<std::string> bos_token = std::nullopt;  // in place of the template's own
  std::optional<std::string> eos_token = std::nullopt;
};

struct RenderedPrompt {
  std::string text;
  // Bytes of `text` that came from the context and not from the template: a tokenizer must not
  // read special tokens there. Sorted, disjoint, merged; ends lie between characters.
  std::vector<base::ByteRange> untrusted;
};

// Immutable and thread-safe; copies share the parsed template.
class ChatTemplate {
 public:
  // Refuses, with the line, what is not well formed or not supported.
  static base::Result<ChatTemplate> parse(std::string_view source, std::string_view where,
                                          const TemplateLimits& limits = {});
  // chat_template (a string, or the entry "default" of a list) and the special tokens of a
  // tokenizer_config.json's text; nothing when it has no template.
  static base::Result<std::optional<ChatTemplate>> from_tokenizer_config(
      std::string_view json, std::string_view where, const TemplateLimits& limits = {});

  // Fails as the template says (raise_exception: kInvalidArgument with its message), or with
  // kResourceExhausted beyond the limits. `where` of an error is "where:line".
  base::Result<RenderedPrompt> render(const ChatContext& context) const;

  // bos_token and its like, as the folder names them; absent ones are undefined to the template.
  std::optional<std::string> special_token(std::string_view name) const;
  // Takes the special tokens of a tokenizer_config.json's text.
  base::Result<ChatTemplate> with_special_tokens(std::string_view json,
                                                 std::string_view where) const;

 private:
  struct Parsed;
  using SpecialTokens = std::vector<std::pair<std::string, std::string>>;

  ChatTemplate(std::shared_ptr<const Parsed> parsed, SpecialTokens special_tokens)
      : parsed_(std::move(parsed)), special_tokens_(std::move(special_tokens)) {}

  std::shared_ptr<const Parsed> parsed_;
  SpecialTokens special_tokens_;
};

// The template of a model folder: chat_template.jinja before tokenizer_config.json, as
// transformers does. Nothing when the folder has none.
base::Result<std::optional<ChatTemplate>> load_chat_template(const std::filesystem::path& folder);

}  // namespace fathom::tokenizer
