// Ids, and the model's own facts.
#include "serve/openai/endpoints/backend.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <ctime>
#include <random>
#include <utility>

namespace fathom::serve {

namespace json = boost::json;

Backend::Backend(ServedModel model, engine::Generator& generator, const ServiceOptions& options)
    : model_(std::make_shared<const ServedModel>(std::move(model))),
      generator_(generator),
      options_(options),
      prompts_(model_),
      started_(static_cast<std::int64_t>(std::time(nullptr))),
      id_salt_(std::random_device{}()) {}

base::Result<void> Backend::check_model(const std::string& name) const {
  if (name == model_->name) return {};
  return base::fail(base::ErrorCode::kNotFound, "model",
                    "the model '{}' is not served here; '{}' is", name.substr(0, 256),
                    model_->name);
}

std::string Backend::next_id(std::string_view prefix, const std::string& request_id) {
  if (!request_id.empty()) return fmt::format("{}{}", prefix, request_id);
  return fmt::format("{}{:08x}{:08x}", prefix, id_salt_, ++num_ids_);
}

AnswerContext Backend::answer_context(const HttpTask& task, std::string id,
                                      GenerationOptions options,
                                      std::vector<std::vector<base::TokenId>> prompts) const {
  return {.exchange = task.exchange,
          .model = model_,
          .id = std::move(id),
          .created = static_cast<std::int64_t>(std::time(nullptr)),
          .max_context_tokens = generator_.max_context_tokens(),
          .options = std::move(options),
          .prompts = std::move(prompts)};
}

std::string Backend::model_json() const {
  return json::serialize(json::object{{"id", model_->name},
                                      {"object", "model"},
                                      {"created", started_},
                                      {"owned_by", "fathom"},
                                      {"max_model_len", generator_.max_context_tokens()}});
}

}  // namespace fathom::serve
