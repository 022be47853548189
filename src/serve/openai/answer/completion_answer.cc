// The older endpoint: text, and lists in place of objects.
#include "serve/openai/answer/completion_answer.h"

#include <boost/json.hpp>
#include <utility>

#include "serve/openai/answer/logprobs.h"
#include "serve/openai/answer/progress.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;

// One of the answers: what came and was not sent yet.
struct Choice {
  Choice(const AnswerContext& context)  // NOLINT(google-explicit-constructor): emplace_back
      : logprobs(*context.model->tokenizer, context.options.top_logprobs.value_or(0) > 0,
                 context.options.skip_special_tokens) {}

  std::string text;
  CompletionLogprobs logprobs;
  std::vector<base::TokenId> tokens;
  json::array prompt_logprobs{nullptr};
  bool has_begun = false;
};

class CompletionAnswer final : public Answer {
 public:
  CompletionAnswer(AnswerContext context, CompletionAnswerOptions options)
      : context_(std::move(context)),
        options_(std::move(options)),
        stream_(context_.exchange),
        progress_(context_.num_generations()) {
    for (std::size_t i = 0; i < progress_.size(); ++i) choices_.emplace_back(context_);
  }

  void on_delta(std::size_t index, engine::GenerationDelta delta) override {
    Progress& progress = progress_[index];
    progress.take(delta);
    if (!choices_[index].has_begun) begin(index, delta);
    if (options_.discards_answer) {
      progress.completion_tokens = 0;
      if (delta.finish) progress.finish = engine::FinishReason::kLength;
    } else {
      append(index, delta);
    }
    if (context_.options.stream) send(index, delta.finish.has_value());
    if (delta.finish && ++num_finished_ == progress_.size()) end();
  }

  void fail(const ApiError& error) override { stream_.fail(error); }

 private:
  // The prompt's part of the answer.
  void begin(std::size_t index, const engine::GenerationDelta& delta) {
    Choice& choice = choices_[index];
    choice.has_begun = true;
    const tokenizer::Tokenizer& tokenizer = *context_.model->tokenizer;
    if (context_.options.prompt_logprobs) {
      choice.prompt_logprobs = prompt_logprobs_json(tokenizer, delta.prompt_logprobs);
    }
    if (options_.echoes.empty()) return;
    choice.text = options_.echoes[index / static_cast<std::size_t>(context_.options.num_answers)];
    if (context_.options.top_logprobs) {
      choice.logprobs.add_first(context_.prompt_of(index).front());
      choice.logprobs.add(delta.prompt_logprobs);
    }
  }

  void append(std::size_t index, const engine::GenerationDelta& delta) {
    Choice& choice = choices_[index];
    choice.text += delta.text;
    if (context_.options.top_logprobs) choice.logprobs.add(delta.logprobs);
    if (context_.options.return_token_ids) {
      choice.tokens.insert(choice.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    }
  }

  // The choice as it is, which then is empty.
  json::object take_choice(std::size_t index) {
    Choice& choice = choices_[index];
    const Progress& progress = progress_[index];
    json::object object{
        {"index", index}, {"text", std::exchange(choice.text, {})}, {"logprobs", nullptr}};
    if (context_.options.top_logprobs) object["logprobs"] = choice.logprobs.take();
    object["finish_reason"] = nullptr;
    if (progress.finish) {
      object["finish_reason"] = engine::name(*progress.finish);
      object["stop_reason"] = stop_reason_json(progress);
    }
    if (context_.options.return_token_ids) {
      object["token_ids"] = tokens_json(std::exchange(choice.tokens, {}));
    }
    return object;
  }

  json::object envelope() const {
    return {{"id", context_.id},
            {"object", "text_completion"},
            {"created", context_.created},
            {"model", context_.model->name},
            {"system_fingerprint", system_fingerprint()}};
  }

  void send(std::size_t index, bool is_last) {
    const Choice& choice = choices_[index];
    if (choice.text.empty() && choice.logprobs.empty() && choice.tokens.empty() && !is_last) return;
    json::object object = take_choice(index);
    if (context_.options.return_token_ids && !std::exchange(has_sent_prompts_, true)) {
      object["prompt_token_ids"] = tokens_json(context_.prompt_of(index));
    }
    json::object event = envelope();
    event["choices"] = json::array{std::move(object)};
    if (is_last && context_.options.timings) {
      event["timings"] = timings_json({&progress_[index], 1});
    }
    if (context_.options.continuous_usage) {
      event["usage"] = usage_json(context_, progress_);
    } else if (context_.options.include_usage) {
      event["usage"] = nullptr;
    }
    stream_.send(json::serialize(event));
  }

  void end() {
    json::object answer = envelope();
    json::array choices;
    if (!context_.options.stream) {
      for (std::size_t i = 0; i < choices_.size(); ++i) choices.push_back(whole_choice(i));
    }
    answer["choices"] = std::move(choices);
    answer["usage"] = usage_json(context_, progress_);
    if (context_.options.timings) answer["timings"] = timings_json(progress_);
    if (!context_.options.stream) {
      return stream_.respond(json::serialize(answer));
    }
    if (context_.options.include_usage) stream_.send(json::serialize(answer));
    stream_.finish_done();
  }

  json::object whole_choice(std::size_t index) {
    json::object choice = take_choice(index);
    if (context_.options.prompt_logprobs) {
      choice["prompt_logprobs"] = std::move(choices_[index].prompt_logprobs);
    }
    if (context_.options.return_token_ids) {
      choice["prompt_token_ids"] = tokens_json(context_.prompt_of(index));
    }
    return choice;
  }

  const AnswerContext context_;
  const CompletionAnswerOptions options_;
  EventStream stream_;
  std::vector<Progress> progress_;
  std::vector<Choice> choices_;
  std::size_t num_finished_ = 0;
  bool has_sent_prompts_ = false;
};

}  // namespace

std::unique_ptr<Answer> make_completion_answer(AnswerContext context,
                                               CompletionAnswerOptions options) {
  return std::make_unique<CompletionAnswer>(std::move(context), std::move(options));
}

}  // namespace fathom::serve
