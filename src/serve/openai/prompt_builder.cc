// Renders, tokenizes, and arranges fill-in-the-middle.
#include "serve/openai/prompt_builder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "serve/openai/tool_prompt.h"

namespace fathom::serve {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::string_view kThinkBegin = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kProbe = "fathom_probe_function";

// Coder's own, in the order begin, prefix, hole, suffix, end.
constexpr std::array<std::string_view, 3> kInfillTokens = {"<｜fim▁begin｜>", "<｜fim▁hole｜>",
                                                           "<｜fim▁end｜>"};

// Whether the template writes the tools it is given.
bool shows_tools(const std::optional<tokenizer::ChatTemplate>& chat_template) {
  if (!chat_template) return false;
  const std::vector<Tool> tools = {{std::string(kProbe), "", R"({"type":"object"})"}};
  const auto rendered =
      chat_template->render({.messages = {{"user", "x"}}, .tools_json = tools_json(tools)});
  return rendered && rendered->text.find(kProbe) != std::string::npos;
}

std::string_view without_trailing_space(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

void cut(RenderedChat& chat, std::size_t size) {
  chat.text.resize(size);
  std::erase_if(chat.untrusted, [&](const base::ByteRange& range) { return range.begin >= size; });
  if (!chat.untrusted.empty()) {
    chat.untrusted.back().end = std::min(chat.untrusted.back().end, size);
  }
}

// Ends the prompt where the last message's content ends.
Result<void> open_last_message(const std::string& content, RenderedChat& chat) {
  const std::string_view shown = without_trailing_space(content);
  const std::size_t at = shown.empty() ? std::string::npos : chat.text.rfind(shown);
  if (at == std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "continue_final_message",
                "the template does not show the last message as it is: it cannot be continued");
  }
  cut(chat, at + shown.size());
  const std::size_t opened = content.rfind(kThinkBegin);
  const std::size_t closed = content.rfind(kThinkEnd);
  chat.starts_in_reasoning =
      opened != std::string::npos && (closed == std::string::npos || closed < opened);
  return {};
}

}  // namespace

PromptBuilder::PromptBuilder(std::shared_ptr<const ServedModel> model)
    : model_(std::move(model)), renders_tools_(shows_tools(model_->chat_template)) {
  const tokenizer::Tokenizer& tokenizer = *model_->tokenizer;
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    max_token_bytes_ = std::max(max_token_bytes_, tokenizer.bytes_of(base::TokenId{id}).size());
  }
}

std::int64_t PromptBuilder::min_tokens(std::size_t text_bytes) const {
  constexpr std::size_t kNormalization = 3;  // NFC turns nine bytes of Hangul into three, at best
  return static_cast<std::int64_t>(text_bytes / (kNormalization * max_token_bytes_));
}

Result<tokenizer::ChatTemplate> PromptBuilder::template_for(const TemplateOptions& options) const {
  if (!options.chat_template.empty()) {
    return tokenizer::ChatTemplate::parse(options.chat_template, "chat_template")
        .transform_error([](const base::Error& error) {
          return fail(ErrorCode::kInvalidArgument, "chat_template", "{}", error.text());
        });
  }
  if (!model_->chat_template) {
    return fail(ErrorCode::kFailedPrecondition, "messages",
                "this model has no chat template; use /v1/completions");
  }
  return *model_->chat_template;
}

Result<RenderedChat> PromptBuilder::render(const ChatArgs& args) const {
  const auto chat_template = TRY(template_for(args.options));
  const bool renders_tools =
      args.options.chat_template.empty() ? renders_tools_ : shows_tools(chat_template);
  const auto messages =
      renders_tools ? args.conversation.messages : with_tools_as_text(args.conversation);
  tokenizer::ChatContext context{.messages = to_chat_messages(messages),
                                 .add_generation_prompt = args.options.add_generation_prompt,
                                 .variables = args.options.variables};
  if (renders_tools && !args.conversation.tools.empty()) {
    context.tools_json = tools_json(args.conversation.tools);
  }
  if (model_->chat_template) {
    context.bos_token = model_->chat_template->special_token("bos_token");
    context.eos_token = model_->chat_template->special_token("eos_token");
  }
  auto rendered = TRY(chat_template.render(context).transform_error([](const base::Error& error) {
    // Whatever went wrong, limits included, these messages caused it.
    return fail(ErrorCode::kInvalidArgument, "messages", "{}", error.text());
  }));
  RenderedChat chat{std::move(rendered.text), std::move(rendered.untrusted)};
  if (args.options.continue_final_message) {
    TRY(open_last_message(messages.back().content.value_or(""), chat));
  } else {
    chat.starts_in_reasoning = without_trailing_space(chat.text).ends_with(kThinkBegin);
  }
  chat.starts_in_reasoning = chat.starts_in_reasoning && model_->splits_reasoning;
  if (args.skips_reasoning && chat.starts_in_reasoning) {
    cut(chat, without_trailing_space(chat.text).size());
    chat.text += "\n\n</think>\n\n";
    chat.starts_in_reasoning = false;
  }
  return chat;
}

Result<std::vector<base::TokenId>> PromptBuilder::encode(const RenderedChat& chat,
                                                         const TemplateOptions& options) const {
  return model_->tokenizer
      ->encode(chat.text,
               {.add_special = options.add_special_tokens, .plain_ranges = chat.untrusted})
      .transform_error([](const base::Error& error) {
        return fail(ErrorCode::kInvalidArgument, "messages", "{}", error.text());
      });
}

Result<std::vector<base::TokenId>> PromptBuilder::encode(const PromptInput& prompt,
                                                         const std::string& suffix,
                                                         bool add_special) const {
  const tokenizer::Tokenizer& tokenizer = *model_->tokenizer;
  if (!prompt.tokens.empty()) return prompt.tokens;
  if (suffix.empty()) return tokenizer.encode(prompt.text, {.add_special = add_special});
  std::vector<base::TokenId> marks;
  for (const std::string_view spelling : kInfillTokens) {
    const auto token = tokenizer.token_of(spelling);
    if (!token) {
      return fail(ErrorCode::kInvalidArgument, "suffix",
                  "this model has no tokens for fill-in-the-middle");
    }
    marks.push_back(*token);
  }
  std::vector<base::TokenId> tokens = TRY(tokenizer.encode("", {.add_special = add_special}));
  const auto append = [&](const std::string& text) -> Result<void> {
    const std::array<base::ByteRange, 1> all = {base::ByteRange{0, text.size()}};
    const auto part = TRY(tokenizer.encode(text, {.add_special = false, .plain_ranges = all}));
    tokens.insert(tokens.end(), part.begin(), part.end());
    return {};
  };
  tokens.push_back(marks[0]);
  TRY(append(prompt.text));
  tokens.push_back(marks[1]);
  TRY(append(suffix));
  tokens.push_back(marks[2]);
  return tokens;
}

}  // namespace fathom::serve
