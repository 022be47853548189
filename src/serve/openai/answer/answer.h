// Answer: one HTTP answer that is made of what one or several generations bring.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "engine/generator.h"
#include "net/http_server.h"
#include "serve/openai/error_response.h"
#include "serve/openai/request/generation_options.h"
#include "serve/openai/served_model.h"

namespace fathom::serve {

// Not thread-safe: whoever runs the generations calls one method at a time.
class Answer {
 public:
  virtual ~Answer() = default;
  // A piece of generation `index`; never one with an error or a cancellation.
  virtual void on_delta(std::size_t index, engine::GenerationDelta delta) = 0;
  // Ends the answer, whether it has begun or not. Nothing follows.
  virtual void fail(const ApiError& error) = 0;
};

// What writers of answers need to know of a request. Generation i answers prompt i / num_answers.
struct AnswerContext {
  std::shared_ptr<net::HttpExchange> exchange;
  std::shared_ptr<const ServedModel> model;
  std::string id;
  std::int64_t created = 0;  // seconds since 1970
  std::int64_t max_context_tokens = 0;
  GenerationOptions options;
  std::vector<std::vector<base::TokenId>> prompts;

  std::size_t num_generations() const {
    return prompts.size() * static_cast<std::size_t>(options.num_answers);
  }
  const std::vector<base::TokenId>& prompt_of(std::size_t generation) const {
    return prompts[generation / static_cast<std::size_t>(options.num_answers)];
  }
};

void respond_json(net::HttpExchange& exchange, std::string body);

// Server-sent events, or one whole answer in their place. The first event starts the answer.
class EventStream {
 public:
  explicit EventStream(std::shared_ptr<net::HttpExchange> exchange)
      : exchange_(std::move(exchange)) {}

  void respond(std::string json);
  void send(std::string_view json);
  void send(std::string_view event, std::string_view json);
  // Before the first event: a plain error answer. Later: an event, then the end without the mark
  // that a whole stream has. After a whole answer: nothing.
  void fail(const ApiError& error, std::string_view event = "");
  // "[DONE]", then the end.
  void finish_done();
  void finish();
  bool has_started() const { return has_started_; }

 private:
  void start();

  std::shared_ptr<net::HttpExchange> exchange_;
  bool has_started_ = false;
  bool is_over_ = false;
};

}  // namespace fathom::serve
