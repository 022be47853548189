// Routes, and the way of a request from JSON to the engine and back.
#include "serve/openai/service.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <ctime>
#include <functional>
#include <random>
#include <utility>

#include "base/log.h"
#include "serve/openai/error_response.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;
using net::HttpExchange;

constexpr std::size_t kMaxWaitingTasks = 1024;
constexpr std::string_view kModelsPath = "/v1/models";

void respond_json(HttpExchange& exchange, std::string body) {
  exchange.respond({200, {{"Content-Type", "application/json"}}, std::move(body)});
}

void respond_error(HttpExchange& exchange, const ApiError& error) {
  exchange.respond(error_response(error));
}

// One answer on its way: the engine's deltas in, HTTP out. Used on the engine's thread.
class Answer {
 public:
  Answer(std::shared_ptr<HttpExchange> exchange, ResponseWriter writer,
         const CompletionOptions& options, bool is_chat)
      : exchange_(std::move(exchange)),
        writer_(std::move(writer)),
        is_stream_(options.stream),
        include_usage_(options.include_usage),
        is_chat_(is_chat) {}

  void on_delta(const engine::GenerationDelta& delta) {
    writer_.set_completion_tokens(delta.completion_tokens);
    if (is_stream_) {
      stream(delta);
    } else {
      collect(delta);
    }
  }

 private:
  void collect(const engine::GenerationDelta& delta) {
    text_ += delta.text;
    if (!delta.finish) return;
    if (delta.error) return respond_error(*exchange_, api_error(*delta.error));
    if (*delta.finish == engine::FinishReason::kCancelled) {
      return respond_error(*exchange_, {503, "the server is shutting down", "", ""});
    }
    respond_json(*exchange_, writer_.whole(text_, *delta.finish));
  }

  void stream(const engine::GenerationDelta& delta) {
    if (!has_started_) {
      has_started_ = true;
      exchange_->start(200, {{"Content-Type", "text/event-stream; charset=utf-8"},
                             {"Cache-Control", "no-cache"}});
      if (is_chat_) exchange_->write(writer_.first_event());
    }
    if (delta.finish && (delta.error || *delta.finish == engine::FinishReason::kCancelled)) {
      // The status is sent already: an event tells, and the connection breaks off without [DONE].
      const ApiError error = delta.error ? api_error(*delta.error)
                                         : ApiError{503, "the request was cancelled", "", ""};
      exchange_->write("data: " + error_json(error) + "\n\n");
      return exchange_->finish();
    }
    if (delta.text.empty() && !delta.finish) return;
    if (delta.finish && !delta.text.empty()) {
      exchange_->write(writer_.text_event(delta.text, std::nullopt));
    }
    exchange_->write(delta.finish ? writer_.text_event("", delta.finish)
                                  : writer_.text_event(delta.text, std::nullopt));
    if (!delta.finish) return;
    if (include_usage_) exchange_->write(writer_.usage_event());
    exchange_->write(ResponseWriter::done_event());
    exchange_->finish();
  }

  std::shared_ptr<HttpExchange> exchange_;
  ResponseWriter writer_;
  bool is_stream_;
  bool include_usage_;
  bool is_chat_;
  bool has_started_ = false;
  std::string text_;
};

}  // namespace

Service::Service(ServedModel model, engine::Generator& generator)
    : model_(std::move(model)),
      generator_(generator),
      started_(static_cast<std::int64_t>(std::time(nullptr))),
      id_salt_(std::random_device{}()),
      worker_(kMaxWaitingTasks) {}

void Service::handle(const std::shared_ptr<HttpExchange>& exchange) {
  const std::string& path = exchange->request().path;
  const std::string& method = exchange->request().method;
  const bool is_post = path == "/v1/chat/completions" || path == "/v1/completions";
  const std::string one_model = std::string(kModelsPath) + "/";
  const bool is_get =
      path == "/health" || path == "/version" || path == kModelsPath || path.starts_with(one_model);
  if (!is_post && !is_get) {
    return respond_error(*exchange, {404, "no such path: " + path.substr(0, 256), "", ""});
  }
  if (is_post ? method != "POST" : method != "GET" && method != "HEAD") {
    auto refusal = error_response({405, "this path does not take " + method.substr(0, 32), "", ""});
    refusal.headers.emplace_back("Allow", is_post ? "POST" : "GET, HEAD");
    return exchange->respond(std::move(refusal));
  }
  if (path == "/health") return respond_json(*exchange, R"({"status":"ok"})");
  if (path == "/version") {
    return respond_json(*exchange, json::serialize(json::object{{"version", FATHOM_VERSION}}));
  }
  if (path == kModelsPath) {
    return respond_json(*exchange, R"({"object":"list","data":[)" + model_json() + "]}");
  }
  if (is_get) {
    if (is_served(path.substr(one_model.size()), *exchange)) respond_json(*exchange, model_json());
    return;
  }
  const bool is_chat = path == "/v1/chat/completions";
  const bool is_queued = worker_.submit([this, exchange, is_chat] {
    if (is_chat) {
      handle_chat(exchange);
    } else {
      handle_completion(exchange);
    }
  });
  if (!is_queued) {
    respond_error(*exchange, {503, "too many requests wait; try again later", "", ""});
  }
}

std::string Service::model_json() const {
  return json::serialize(json::object{{"id", model_.name},
                                      {"object", "model"},
                                      {"created", started_},
                                      {"owned_by", "fathom"},
                                      {"max_model_len", generator_.max_context_tokens()}});
}

// Answers with OpenAI's error if the name is not this model's.
bool Service::is_served(const std::string& model, HttpExchange& exchange) const {
  if (model == model_.name) return true;
  respond_error(exchange, {404,
                           fmt::format("the model '{}' is not served here; '{}' is",
                                       model.substr(0, 256), model_.name),
                           "model", "model_not_found"});
  return false;
}

Result<std::vector<base::TokenId>> Service::chat_prompt(const ChatRequest& request) const {
  if (!model_.chat_template) {
    return fail(ErrorCode::kFailedPrecondition, "messages",
                "this model has no chat template; use /v1/completions");
  }
  const auto rendered = TRY(model_.chat_template->render({.messages = request.messages})
                                .transform_error([](base::Error error) {
                                  error.message = error.text();
                                  error.where = "messages";
                                  return error;
                                }));
  // The template writes BOS itself.
  return model_.tokenizer->encode(rendered.text,
                                  {.add_special = false, .plain_ranges = rendered.untrusted});
}

void Service::handle_chat(const std::shared_ptr<HttpExchange>& exchange) {
  auto request = parse_chat_request(exchange->request().body);
  if (!request) return respond_error(*exchange, api_error(request.error()));
  if (!is_served(request->options.model, *exchange)) return;
  auto prompt = chat_prompt(*request);
  if (!prompt) return respond_error(*exchange, api_error(prompt.error()));
  generate(exchange, true, std::move(request->options), *std::move(prompt));
}

void Service::handle_completion(const std::shared_ptr<HttpExchange>& exchange) {
  auto request = parse_completion_request(exchange->request().body);
  if (!request) return respond_error(*exchange, api_error(request.error()));
  if (!is_served(request->options.model, *exchange)) return;
  std::vector<base::TokenId> prompt = std::move(request->prompt_tokens);
  if (prompt.empty()) {
    auto encoded = model_.tokenizer->encode(request->prompt);
    if (!encoded) return respond_error(*exchange, api_error(encoded.error()));
    prompt = *std::move(encoded);
  }
  generate(exchange, false, std::move(request->options), std::move(prompt));
}

Result<engine::GenerationRequest> Service::generation_request(
    CompletionOptions options, std::vector<base::TokenId> prompt) const {
  const std::int64_t room = generator_.max_context_tokens() - std::ssize(prompt);
  if (room < 1) {
    return fail(ErrorCode::kOutOfRange, "messages",
                "the prompt has {} tokens, but the context holds {}, the answer included; "
                "shorten the prompt",
                prompt.size(), generator_.max_context_tokens());
  }
  engine::GenerationRequest request;
  request.prompt = std::move(prompt);
  request.stop.max_tokens = options.max_tokens.value_or(room);
  request.sampling = options.sampling;
  request.stop.texts = std::move(options.stop);
  request.stop.ignore_eos = options.ignore_eos;
  return request;
}

void Service::generate(const std::shared_ptr<HttpExchange>& exchange, bool is_chat,
                       CompletionOptions options, std::vector<base::TokenId> prompt) {
  ResponseWriter writer(
      is_chat,
      fmt::format("{}-{:08x}{:08x}", is_chat ? "chatcmpl" : "cmpl", id_salt_, ++num_requests_),
      model_.name);
  writer.set_prompt_tokens(std::ssize(prompt));
  auto answer = std::make_shared<Answer>(exchange, std::move(writer), options, is_chat);
  auto request = generation_request(std::move(options), std::move(prompt));
  if (!request) return respond_error(*exchange, api_error(request.error()));
  auto id = generator_.submit(*std::move(request), [answer](const engine::GenerationDelta& delta) {
    answer->on_delta(delta);
  });
  if (!id) return respond_error(*exchange, api_error(id.error()));
  exchange->on_client_gone([this, id = *id] { generator_.cancel(id); });
}

}  // namespace fathom::serve
