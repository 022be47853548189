// Collects the choices, or sends each piece of them on.
#include "serve/openai/answer/chat_answer.h"

#include <boost/json.hpp>
#include <utility>

#include "serve/openai/answer/chat_choice.h"
#include "serve/openai/answer/logprobs.h"
#include "serve/openai/answer/progress.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;

class ChatAnswer final : public Answer {
 public:
  ChatAnswer(AnswerContext context, ChatAnswerOptions options)
      : context_(std::move(context)),
        options_(std::move(options)),
        stream_(context_.exchange),
        progress_(context_.num_generations()) {
    for (std::size_t i = 0; i < progress_.size(); ++i) {
      choices_.emplace_back(context_, options_, i);
      counters_.emplace_back(*context_.model->tokenizer, options_.format.starts_in_reasoning);
    }
  }

  void on_delta(std::size_t index, engine::GenerationDelta delta) override {
    if (context_.options.stream && !stream_.has_started()) send_first();
    Progress& progress = progress_[index];
    progress.take(delta);
    if (context_.options.prompt_logprobs && !delta.prompt_logprobs.empty() && index == 0) {
      prompt_logprobs_ = prompt_logprobs_json(*context_.model->tokenizer, delta.prompt_logprobs);
    }
    ChatChoice& choice = choices_[index];
    const bool was_in_reasoning = choice.is_in_reasoning();
    if (!has_echoed(index)) delta.text.insert(0, options_.echo);
    auto events = choice.take(delta, progress);
    if (options_.format.splits_reasoning) {
      progress.reasoning_tokens += counters_[index].count(delta.tokens, was_in_reasoning);
    }
    for (json::object& event : events) send(std::move(event), progress);
    if (delta.finish && ++num_finished_ == progress_.size()) end();
  }

  void fail(const ApiError& error) override { stream_.fail(error); }

 private:
  // Whether the echo has been put before the choice's text; from now on it has.
  bool has_echoed(std::size_t index) {
    if (options_.echo.empty()) return true;
    echoed_.resize(progress_.size());
    const bool has = echoed_[index];
    echoed_[index] = true;
    return has;
  }

  json::object envelope(std::string_view object) const {
    return {{"id", context_.id},
            {"object", object},
            {"created", context_.created},
            {"model", context_.model->name},
            {"system_fingerprint", system_fingerprint()}};
  }

  // The roles, before anything else.
  void send_first() {
    for (std::size_t i = 0; i < progress_.size(); ++i) {
      json::object event = envelope("chat.completion.chunk");
      event["choices"] =
          json::array{json::object{{"index", i},
                                   {"delta", json::object{{"role", "assistant"}, {"content", ""}}},
                                   {"logprobs", nullptr},
                                   {"finish_reason", nullptr}}};
      if (context_.options.include_usage) event["usage"] = nullptr;
      if (context_.options.return_token_ids && i == 0) {
        event["prompt_token_ids"] = tokens_json(context_.prompts[0]);
      }
      stream_.send(json::serialize(event));
    }
  }

  void send(json::object choice, const Progress& progress) {
    json::object event = envelope("chat.completion.chunk");
    if (choice.at("finish_reason").is_string() && context_.options.timings) {
      event["timings"] = timings_json({&progress, 1});
    }
    event["choices"] = json::array{std::move(choice)};
    if (context_.options.continuous_usage) {
      event["usage"] = usage_json(context_, progress_);
    } else if (context_.options.include_usage) {
      event["usage"] = nullptr;
    }
    stream_.send(json::serialize(event));
  }

  void end() {
    json::object answer =
        envelope(context_.options.stream ? "chat.completion.chunk" : "chat.completion");
    json::array choices;
    if (!context_.options.stream) {
      for (std::size_t i = 0; i < choices_.size(); ++i) {
        choices.push_back(choices_[i].whole(progress_[i]));
      }
    }
    answer["choices"] = std::move(choices);
    answer["usage"] = usage_json(context_, progress_);
    if (context_.options.timings) answer["timings"] = timings_json(progress_);
    if (context_.options.stream) {
      if (context_.options.include_usage) stream_.send(json::serialize(answer));
      return stream_.finish_done();
    }
    if (context_.options.prompt_logprobs) answer["prompt_logprobs"] = std::move(prompt_logprobs_);
    if (context_.options.return_token_ids) {
      answer["prompt_token_ids"] = tokens_json(context_.prompts[0]);
    }
    stream_.respond(json::serialize(answer));
  }

  const AnswerContext context_;
  const ChatAnswerOptions options_;
  EventStream stream_;
  std::vector<Progress> progress_;  // of each choice, as are the next two
  std::vector<ChatChoice> choices_;
  std::vector<ReasoningCounter> counters_;
  std::vector<bool> echoed_;
  json::array prompt_logprobs_{nullptr};
  std::size_t num_finished_ = 0;
};

}  // namespace

std::unique_ptr<Answer> make_chat_answer(AnswerContext context, ChatAnswerOptions options) {
  return std::make_unique<ChatAnswer>(std::move(context), std::move(options));
}

}  // namespace fathom::serve
