// The response object, and its life as events.
#include "serve/openai/answer/responses_answer.h"

#include <boost/json.hpp>
#include <utility>

#include "serve/openai/answer/progress.h"
#include "serve/openai/answer/response_items.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;

class ResponsesAnswer final : public Answer {
 public:
  ResponsesAnswer(AnswerContext context, ResponsesAnswerOptions options)
      : context_(std::move(context)),
        options_(std::move(options)),
        stream_(context_.exchange),
        parser_(options_.format),
        counter_(*context_.model->tokenizer, options_.format.starts_in_reasoning),
        items_(
            context_.id.substr(context_.id.find('_') + 1),
            [this](std::string_view type, json::object fields) { send(type, std::move(fields)); }) {
  }

  void on_delta(std::size_t, engine::GenerationDelta delta) override {
    if (context_.options.stream && !stream_.has_started()) {
      send("response.created", {{"response", response("in_progress")}});
      send("response.in_progress", {{"response", response("in_progress")}});
    }
    progress_.take(delta);
    const bool was_in_reasoning = parser_.is_in_reasoning();
    for (const OutputPiece& piece : parser_.push(delta.text)) items_.add(piece);
    if (options_.format.splits_reasoning) {
      progress_.reasoning_tokens += counter_.count(delta.tokens, was_in_reasoning);
    }
    if (!delta.finish) return;
    for (const OutputPiece& piece : parser_.finish()) items_.add(piece);
    end();
  }

  void fail(const ApiError& error) override {
    if (!stream_.has_started()) return stream_.fail(error);
    json::object failed = response("failed");
    failed["error"] = json::object{{"code", "server_error"}, {"message", error.message}};
    send("response.failed", {{"response", std::move(failed)}});
    stream_.finish();
  }

 private:
  void send(std::string_view type, json::object fields) {
    if (!context_.options.stream) return;
    json::object event{{"type", type}, {"sequence_number", num_events_++}};
    for (auto& field : fields) event[field.key()] = std::move(field.value());
    stream_.send(type, json::serialize(event));
  }

  json::object usage() const {
    const json::object counts = usage_json(context_, {&progress_, 1});
    return {{"input_tokens", counts.at("prompt_tokens")},
            {"input_tokens_details", counts.at("prompt_tokens_details")},
            {"output_tokens", counts.at("completion_tokens")},
            {"output_tokens_details", counts.at("completion_tokens_details")},
            {"total_tokens", counts.at("total_tokens")},
            {"context", counts.at("context")}};
  }

  json::object response(std::string_view status) const {
    const bool is_over = status == "completed" || status == "incomplete";
    json::object object{{"id", context_.id},
                        {"object", "response"},
                        {"created_at", context_.created},
                        {"status", status},
                        {"background", false},
                        {"error", nullptr},
                        {"incomplete_details", nullptr},
                        {"model", context_.model->name},
                        {"output", items_.json()},
                        {"previous_response_id", nullptr},
                        {"store", false},
                        {"truncation", "disabled"}};
    if (status == "incomplete") {
      object["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
    }
    const json::value repeated = json::parse(options_.repeated_json);
    for (const auto& field : repeated.get_object()) {
      object[field.key()] = field.value();
    }
    object["usage"] = is_over ? json::value(usage()) : json::value(nullptr);
    if (is_over && context_.options.timings) object["timings"] = timings_json({&progress_, 1});
    return object;
  }

  void end() {
    const bool is_whole = progress_.finish != engine::FinishReason::kLength;
    items_.finish(is_whole);
    const char* const status = is_whole ? "completed" : "incomplete";
    if (!context_.options.stream) return stream_.respond(json::serialize(response(status)));
    send(is_whole ? "response.completed" : "response.incomplete", {{"response", response(status)}});
    stream_.finish();
  }

  const AnswerContext context_;
  const ResponsesAnswerOptions options_;
  EventStream stream_;
  OutputParser parser_;
  ReasoningCounter counter_;
  ResponseItems items_;
  Progress progress_;
  std::int64_t num_events_ = 0;
};

}  // namespace

std::unique_ptr<Answer> make_responses_answer(AnswerContext context,
                                              ResponsesAnswerOptions options) {
  return std::make_unique<ResponsesAnswer>(std::move(context), std::move(options));
}

}  // namespace fathom::serve
