// What chat has beyond the fields that all requests share.
#include "serve/openai/request/chat_request.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;

// What templates ask for beyond a conversation. Others could steer the renderer: `tokenize`,
// `messages`.
constexpr std::array<std::string_view, 8> kTemplateVariables = {
    "enable_thinking", "thinking",    "reasoning_effort", "preserve_thinking",
    "thinking_budget", "date_string", "documents",        "custom_instructions"};

Result<std::optional<std::int32_t>> read_logprobs(FieldReader& fields) {
  const bool wants = TRY(fields.boolean("logprobs"));
  const auto top = TRY(fields.integer("top_logprobs", 0, 20));
  if (!wants && top.value_or(0) > 0) return fields.bad("top_logprobs", "only with logprobs: true");
  if (!wants) return std::optional<std::int32_t>();
  return std::optional(static_cast<std::int32_t>(top.value_or(0)));
}

Result<void> check(const ChatRequest& request) {
  const auto& structured = request.options.structured;
  const auto& conversation = request.conversation;
  if (structured.kind != StructuredOutput::Kind::kNone && !conversation.tools.empty()) {
    return bad_field(structured.field,
                     "an answer of a given form calls no tools; say tool_choice: none");
  }
  if (request.echo && (!request.template_options.continue_final_message ||
                       conversation.messages.back().role != "assistant")) {
    return bad_field("echo", "only with continue_final_message and an assistant's last message");
  }
  return {};
}

}  // namespace

Result<TemplateOptions> read_template_options(FieldReader& fields) {
  TemplateOptions options;
  options.continue_final_message = TRY(fields.boolean("continue_final_message"));
  const bool continues = options.continue_final_message;
  options.add_generation_prompt = TRY(fields.boolean("add_generation_prompt", !continues));
  if (continues && options.add_generation_prompt) {
    return fields.bad("continue_final_message", "not with add_generation_prompt: true");
  }
  options.add_special_tokens = TRY(fields.boolean("add_special_tokens"));
  options.chat_template = TRY(fields.text("chat_template"));
  const json::object* variables = TRY(fields.object("chat_template_kwargs"));
  if (variables == nullptr) return options;
  for (const auto& entry : *variables) {
    const std::string_view name(entry.key().data(), entry.key().size());
    if (std::ranges::find(kTemplateVariables, name) == kTemplateVariables.end()) {
      return bad_field("chat_template_kwargs." + std::string(name.substr(0, 64)),
                       "not one of the variables that a request may set");
    }
    options.variables.push_back({std::string(name), json::serialize(entry.value())});
  }
  return options;
}

Result<ChatRequest> parse_chat_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  ChatRequest request;
  request.options = TRY(read_generation_options(fields));
  // The newer name wins.
  request.options.stop.max_tokens = TRY(fields.integer("max_tokens", 1, kMaxMaxTokens));
  if (const auto newer = TRY(fields.integer("max_completion_tokens", 1, kMaxMaxTokens))) {
    request.options.stop.max_tokens = newer;
  }
  request.options.top_logprobs = TRY(read_logprobs(fields));
  request.conversation.messages = TRY(read_messages(fields));
  TRY(read_tools(fields, request.conversation));
  request.template_options = TRY(read_template_options(fields));
  request.echo = TRY(fields.boolean("echo"));
  TRY(fields.refuse_rest(harmless_fields()));
  TRY(check(request));
  return request;
}

}  // namespace fathom::serve
