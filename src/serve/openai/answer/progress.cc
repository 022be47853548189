// Sums and maxima over the generations of a request.
#include "serve/openai/answer/progress.h"

#include <algorithm>
#include <boost/json.hpp>

namespace fathom::serve {

namespace json = boost::json;

void Progress::take(const engine::GenerationDelta& delta) {
  completion_tokens = delta.completion_tokens;
  cached_prompt_tokens = std::max(cached_prompt_tokens, delta.cached_prompt_tokens);
  if (!delta.finish) return;
  finish = delta.finish;
  stop_text = delta.stop_text;
  stop_token = delta.stop_token;
  timings = delta.timings;
}

ReasoningCounter::ReasoningCounter(const tokenizer::Tokenizer& tokenizer, bool starts_in_reasoning)
    : begin_(tokenizer.token_of("<think>")),
      end_(tokenizer.token_of("</think>")),
      is_within_(starts_in_reasoning) {}

std::int64_t ReasoningCounter::count(std::span<const base::TokenId> tokens,
                                     bool is_text_in_reasoning) {
  if (!end_) return is_text_in_reasoning ? std::ssize(tokens) : 0;
  std::int64_t count = 0;
  for (const base::TokenId token : tokens) {
    if (token == begin_) is_within_ = true;
    if (is_within_) ++count;
    if (token == end_) is_within_ = false;
  }
  return count;
}

json::object usage_json(const AnswerContext& context, std::span<const Progress> progress) {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t reasoning_tokens = 0;
  std::int64_t used = 0;
  std::int64_t longest_prompt = 0;
  for (const auto& prompt : context.prompts) {
    prompt_tokens += std::ssize(prompt);
    longest_prompt = std::max<std::int64_t>(longest_prompt, std::ssize(prompt));
  }
  for (std::size_t i = 0; i < progress.size(); ++i) {
    const Progress& each = progress[i];
    completion_tokens += each.completion_tokens;
    reasoning_tokens += each.reasoning_tokens;
    // A prompt counts once, however many answers it gets.
    const bool is_first = i % static_cast<std::size_t>(context.options.num_answers) == 0;
    if (is_first) cached_tokens += each.cached_prompt_tokens;
    used = std::max(used, std::ssize(context.prompt_of(i)) + each.completion_tokens);
  }
  json::value reserved = nullptr;
  if (const auto max_tokens = context.options.stop.max_tokens) {
    reserved = longest_prompt + *max_tokens;
  }
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", json::object{{"cached_tokens", cached_tokens}}},
          {"completion_tokens_details", json::object{{"reasoning_tokens", reasoning_tokens}}},
          {"context", json::object{{"limit", context.max_context_tokens},
                                   {"used", used},
                                   {"reserved", std::move(reserved)}}}};
}

json::object timings_json(std::span<const Progress> progress) {
  engine::Timings longest;
  for (const Progress& each : progress) {
    longest.queue_ms = std::max(longest.queue_ms, each.timings.queue_ms);
    longest.prefill_ms = std::max(longest.prefill_ms, each.timings.prefill_ms);
    longest.decode_ms = std::max(longest.decode_ms, each.timings.decode_ms);
    longest.paused_ms = std::max(longest.paused_ms, each.timings.paused_ms);
    longest.num_pauses = std::max(longest.num_pauses, each.timings.num_pauses);
  }
  return {{"queue_ms", longest.queue_ms},
          {"prefill_ms", longest.prefill_ms},
          {"decode_ms", longest.decode_ms},
          {"paused_ms", longest.paused_ms},
          {"num_pauses", longest.num_pauses}};
}

json::value stop_reason_json(const Progress& progress) {
  if (!progress.stop_text.empty()) return json::value(progress.stop_text);
  if (progress.stop_token) return base::index(*progress.stop_token);
  return nullptr;
}

json::array tokens_json(std::span<const base::TokenId> tokens) {
  json::array list;
  list.reserve(tokens.size());
  for (const base::TokenId token : tokens) list.emplace_back(base::index(token));
  return list;
}

std::string_view system_fingerprint() { return "fathom-" FATHOM_VERSION; }

}  // namespace fathom::serve
