// Fuzz target: any bytes as the body of a chat request and of a completion request.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/openai/request.h"

namespace {

void check_options(const fathom::serve::CompletionOptions& options) {
  if (options.max_tokens && *options.max_tokens < 0) std::abort();
  if (!(options.sampling.temperature >= 0)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto chat = fathom::serve::parse_chat_request(body)) {
    if (chat->messages.empty()) std::abort();
    check_options(chat->options);
  }
  if (const auto completion = fathom::serve::parse_completion_request(body)) {
    check_options(completion->options);
    for (const auto token : completion->prompt_tokens) {
      if (fathom::base::index(token) < 0) std::abort();
    }
  }
  return 0;
}
