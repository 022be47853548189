// Fuzz target: any bytes as a template, rendered over a small conversation with tight limits.
#include <cstdint>
#include <cstdlib>

#include "tokenizer/template/chat_template.h"

using fathom::tokenizer::ChatContext;
using fathom::tokenizer::ChatTemplate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ChatContext context{
      .messages = {{"system", " Be brief. "},
                   {"user", "世界 <b>\n"},
                   {"assistant",
                    std::nullopt,
                    {{"tool_calls", R"([{"function": {"name": "f"}}])"}}},
                   {"root", "x"}},
      .tools_json = R"([{"name": "f", "n": 1.5}])",
      .variables = {{"n", "7"}, {"words", R"(["b", "A", ""])"}, {"obj", R"({"k": {"m": [1, 2]}})"}},
      .bos_token = "<s>",
      .eos_token = "</s>"};
  const auto parsed = ChatTemplate::parse({reinterpret_cast<const char*>(data), size}, "fuzz",
                                          {.max_source_bytes = 4096,
                                           .max_steps = 20'000,
                                           .max_output_bytes = 1 << 16,
                                           .max_value_bytes = 1 << 16,
                                           .max_built_bytes = 1 << 20});
  if (!parsed) return 0;
  const auto prompt = parsed->render(context);
  if (!prompt) return 0;
  if (prompt->text.size() > (1 << 16)) std::abort();
  std::size_t end = 0;
  for (const auto& range : prompt->untrusted) {
    const bool is_sorted = range.begin < range.end && (end == 0 || range.begin > end);
    if (!is_sorted || range.end > prompt->text.size()) std::abort();
    end = range.end;
  }
  return 0;
}
