// Fuzz target: any bytes as the body of each kind of request; the first byte chooses the kind.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/openai/request/chat_request.h"
#include "serve/openai/request/completion_request.h"
#include "serve/openai/request/embedding_request.h"
#include "serve/openai/request/responses_request.h"
#include "serve/openai/request/token_request.h"

namespace {

using namespace fathom::serve;  // NOLINT(google-build-using-namespace)

void expect(bool condition) {
  if (!condition) std::abort();
}

void check_tokens(const std::vector<fathom::base::TokenId>& tokens) {
  for (const auto token : tokens) expect(fathom::base::index(token) >= 0);
}

void check_options(const GenerationOptions& options) {
  expect(!options.stop.max_tokens || *options.stop.max_tokens >= 1);
  expect(options.num_answers >= 1 && options.num_answers <= kMaxAnswers);
  expect(options.sampling.temperature >= 0);
  expect(options.sampling.repetition_penalty > 0);
  check_tokens(options.stop.token_ids);
  check_tokens(options.allowed_tokens);
}

void check_conversation(const Conversation& conversation) {
  expect(!conversation.messages.empty());
  const auto kind = conversation.tool_choice.kind;
  if (kind == ToolChoice::Kind::kRequired || kind == ToolChoice::Kind::kNamed) {
    expect(!call_schema(conversation).empty());
  }
  expect(!tools_json(conversation.tools).empty());
}

void parse(std::uint8_t kind, std::string_view body) {
  if (kind == 'h') {
    if (const auto chat = parse_chat_request(body)) {
      check_options(chat->options);
      check_conversation(chat->conversation);
    }
  } else if (kind == 'c') {
    if (const auto completion = parse_completion_request(body)) {
      check_options(completion->options);
      expect(!completion->prompts.empty());
      for (const PromptInput& prompt : completion->prompts) check_tokens(prompt.tokens);
    }
  } else if (kind == 'r') {
    if (const auto response = parse_responses_request(body)) {
      check_options(response->options);
      check_conversation(response->conversation);
    }
  } else if (kind == 'e') {
    if (const auto embeddings = parse_embeddings_request(body)) {
      expect(!embeddings->inputs.empty());
    }
  } else if (kind == 't') {
    if (const auto tokenize = parse_tokenize_request(body)) {
      expect(tokenize->prompt.has_value() != tokenize->chat.has_value());
    }
  } else if (kind == 'd') {
    if (const auto detokenize = parse_detokenize_request(body)) check_tokens(detokenize->tokens);
  } else if (const auto shown = parse_template_request(body)) {
    check_conversation(shown->conversation);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) parse(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
