// JSON objects in OpenAI's order of fields.
#include "serve/openai/response.h"

#include <boost/json.hpp>
#include <ctime>
#include <utility>

namespace fathom::serve {
namespace {

namespace json = boost::json;

constexpr const char* kFingerprint = "fathom-" FATHOM_VERSION;

json::value reason(std::optional<engine::FinishReason> finish) {
  if (!finish) return nullptr;
  return json::value(std::string(engine::name(*finish)));
}

json::object usage(std::int64_t prompt_tokens, std::int64_t completion_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens}};
}

std::string event(const json::object& object) {
  return "data: " + json::serialize(object) + "\n\n";
}

}  // namespace

ResponseWriter::ResponseWriter(bool is_chat, std::string id, std::string model)
    : is_chat_(is_chat),
      id_(std::move(id)),
      model_(std::move(model)),
      created_(static_cast<std::int64_t>(std::time(nullptr))) {}

std::string ResponseWriter::whole(std::string_view text, engine::FinishReason finish) const {
  json::object choice{{"index", 0}};
  if (is_chat_) {
    choice["message"] = json::object{{"role", "assistant"}, {"content", text}};
  } else {
    choice["text"] = text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = reason(finish);
  return json::serialize(json::object{{"id", id_},
                                      {"object", is_chat_ ? "chat.completion" : "text_completion"},
                                      {"created", created_},
                                      {"model", model_},
                                      {"choices", json::array{std::move(choice)}},
                                      {"usage", usage(prompt_tokens_, completion_tokens_)},
                                      {"system_fingerprint", kFingerprint}});
}

std::string ResponseWriter::first_event() const {
  return event({{"id", id_},
                {"object", "chat.completion.chunk"},
                {"created", created_},
                {"model", model_},
                {"system_fingerprint", kFingerprint},
                {"choices", json::array{json::object{
                                {"index", 0},
                                {"delta", json::object{{"role", "assistant"}, {"content", ""}}},
                                {"logprobs", nullptr},
                                {"finish_reason", nullptr}}}}});
}

std::string ResponseWriter::text_event(std::string_view text,
                                       std::optional<engine::FinishReason> finish) const {
  json::object choice{{"index", 0}};
  if (is_chat_) {
    choice["delta"] = text.empty() ? json::object{} : json::object{{"content", text}};
  } else {
    choice["text"] = text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = reason(finish);
  return event({{"id", id_},
                {"object", is_chat_ ? "chat.completion.chunk" : "text_completion"},
                {"created", created_},
                {"model", model_},
                {"system_fingerprint", kFingerprint},
                {"choices", json::array{std::move(choice)}}});
}

std::string ResponseWriter::usage_event() const {
  return event({{"id", id_},
                {"object", is_chat_ ? "chat.completion.chunk" : "text_completion"},
                {"created", created_},
                {"model", model_},
                {"system_fingerprint", kFingerprint},
                {"choices", json::array{}},
                {"usage", usage(prompt_tokens_, completion_tokens_)}});
}

}  // namespace fathom::serve
