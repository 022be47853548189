// OpenAI's message and delta objects.
#include "serve/openai/answer/chat_choice.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "serve/openai/answer/logprobs.h"

namespace fathom::serve {

namespace json = boost::json;
using Kind = OutputPiece::Kind;

struct ChatChoice::Lists {
  json::array logprobs;
  std::vector<base::TokenId> tokens;
};

std::string chat_finish_reason(engine::FinishReason finish, bool has_calls) {
  if (finish == engine::FinishReason::kStop && has_calls) return "tool_calls";
  return std::string(engine::name(finish));
}

ChatChoice::ChatChoice(const AnswerContext& context, const ChatAnswerOptions& options,
                       std::size_t index)
    : context_(context),
      index_(index),
      parser_(options.format),
      lists_(std::make_unique<Lists>()) {}

ChatChoice::~ChatChoice() = default;
ChatChoice::ChatChoice(ChatChoice&&) noexcept = default;

// Adds the piece to the whole answer and returns it as a stream's delta.
json::object ChatChoice::delta_of(const OutputPiece& piece) {
  switch (piece.kind) {
    case Kind::kReasoning:
      reasoning_ += piece.text;
      return {{"reasoning_content", piece.text}};
    case Kind::kContent:
      content_ += piece.text;
      return {{"content", piece.text}};
    case Kind::kToolCall:
      calls_.push_back({fmt::format("call_{}_{}_{}", context_.id.substr(context_.id.find('-') + 1),
                                    index_, calls_.size()),
                        piece.text, ""});
      return {{"tool_calls",
               json::array{json::object{
                   {"index", calls_.size() - 1},
                   {"id", calls_.back().id},
                   {"type", "function"},
                   {"function", json::object{{"name", piece.text}, {"arguments", ""}}}}}}};
    case Kind::kToolArguments:
      calls_.back().arguments += piece.text;
      return {{"tool_calls",
               json::array{json::object{{"index", calls_.size() - 1},
                                        {"function", json::object{{"arguments", piece.text}}}}}}};
  }
  return {};
}

// A choice of a stream, with the log-probabilities and tokens that have waited for one.
json::object ChatChoice::event(json::object delta) {
  json::object choice{{"index", index_}, {"delta", std::move(delta)}, {"logprobs", nullptr}};
  if (!lists_->logprobs.empty()) {
    choice["logprobs"] = json::object{{"content", std::exchange(lists_->logprobs, {})}};
  }
  choice["finish_reason"] = nullptr;
  if (context_.options.return_token_ids) {
    choice["token_ids"] = tokens_json(std::exchange(lists_->tokens, {}));
  }
  return choice;
}

std::vector<json::object> ChatChoice::take(const engine::GenerationDelta& delta,
                                           const Progress& progress) {
  append_chat_logprobs(*context_.model->tokenizer, delta.logprobs, lists_->logprobs);
  if (context_.options.return_token_ids) {
    lists_->tokens.insert(lists_->tokens.end(), delta.tokens.begin(), delta.tokens.end());
  }
  std::vector<OutputPiece> pieces = parser_.push(delta.text);
  if (delta.finish) {
    for (OutputPiece& piece : parser_.finish()) {
      append_piece(pieces, piece.kind, piece.text);
    }
  }
  std::vector<json::object> events;
  const bool is_stream = context_.options.stream;
  for (const OutputPiece& piece : pieces) {
    json::object change = delta_of(piece);
    if (is_stream) events.push_back(event(std::move(change)));
  }
  if (!delta.finish || !is_stream) return events;
  json::object last = event({});
  last["finish_reason"] = chat_finish_reason(*delta.finish, !calls_.empty());
  last["stop_reason"] = stop_reason_json(progress);
  events.push_back(std::move(last));
  return events;
}

json::object ChatChoice::whole(const Progress& progress) const {
  json::object message{{"role", "assistant"}};
  const bool has_content = !content_.empty() || (calls_.empty() && reasoning_.empty());
  message["content"] = has_content ? json::value(content_) : json::value(nullptr);
  message["refusal"] = nullptr;
  if (!reasoning_.empty()) message["reasoning_content"] = reasoning_;
  if (!calls_.empty()) {
    json::array calls;
    for (const AnsweredCall& call : calls_) {
      calls.push_back(json::object{
          {"id", call.id},
          {"type", "function"},
          {"function", json::object{{"name", call.name}, {"arguments", call.arguments}}}});
    }
    message["tool_calls"] = std::move(calls);
  }
  json::object choice{{"index", index_}, {"message", std::move(message)}, {"logprobs", nullptr}};
  if (context_.options.top_logprobs) {
    choice["logprobs"] = json::object{{"content", lists_->logprobs}, {"refusal", nullptr}};
  }
  choice["finish_reason"] = chat_finish_reason(*progress.finish, !calls_.empty());
  choice["stop_reason"] = stop_reason_json(progress);
  if (context_.options.return_token_ids) choice["token_ids"] = tokens_json(lists_->tokens);
  return choice;
}

}  // namespace fathom::serve
