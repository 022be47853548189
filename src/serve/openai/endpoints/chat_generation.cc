// One way for every endpoint that chats.
#include "serve/openai/endpoints/chat_generation.h"

#include <utility>

#include "serve/openai/endpoints/generate.h"

namespace fathom::serve {

using base::Result;
using Kind = ToolChoice::Kind;

Result<ChatGeneration> prepare_chat(const Backend& backend, const Conversation& conversation,
                                    const TemplateOptions& template_options,
                                    const GenerationOptions& options) {
  if (!template_options.chat_template.empty() && !backend.options().allows_request_templates) {
    return bad_field("chat_template", "this server takes no templates from requests");
  }
  ChatGeneration generation;
  const Kind choice = conversation.tool_choice.kind;
  const bool is_forced = choice == Kind::kRequired || choice == Kind::kNamed;
  if (is_forced) {
    const StructuredOutput call{
        StructuredOutput::Kind::kJsonSchema, call_schema(conversation), {}, "tools"};
    generation.grammar = TRY(compile(call));
  } else {
    generation.grammar = TRY(compile(options.structured));
  }
  const bool is_constrained = generation.grammar != nullptr;
  const RenderedChat rendered =
      TRY(backend.prompts().render({conversation, template_options, is_constrained}));
  TRY(check_text_size(rendered.text.size(), options, backend, "messages"));
  generation.prompt = TRY(backend.prompts().encode(rendered, template_options));
  TRY(fit_prompt(generation.prompt, options, backend, "messages"));
  generation.format.splits_reasoning = backend.model()->splits_reasoning && !is_constrained;
  generation.format.starts_in_reasoning = rendered.starts_in_reasoning;
  generation.format.has_parallel_calls = conversation.parallel_tool_calls;
  if (is_forced) {
    generation.format.tools = ToolFormat::kWhole;
  } else if (!conversation.tools.empty()) {
    generation.format.tools = ToolFormat::kMarked;
  }
  return generation;
}

}  // namespace fathom::serve
