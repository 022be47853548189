// Backend: what every endpoint works with.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/generator.h"
#include "net/http_server.h"
#include "serve/openai/answer/answer.h"
#include "serve/openai/prompt_builder.h"
#include "serve/openai/request/generation_options.h"
#include "serve/openai/served_model.h"
#include "serve/openai/service_options.h"

namespace fathom::serve {

// One request on its way through a worker.
struct HttpTask {
  std::shared_ptr<net::HttpExchange> exchange;
  std::string tenant;
  std::shared_ptr<void> ticket;  // counts the request as open while it lives
};

// Thread-safe.
class Backend {
 public:
  Backend(ServedModel model, engine::Generator& generator, const ServiceOptions& options);

  const std::shared_ptr<const ServedModel>& model() const { return model_; }
  engine::Generator& generator() const { return generator_; }
  const ServiceOptions& options() const { return options_; }
  const PromptBuilder& prompts() const { return prompts_; }

  // kNotFound, with the field "model", if the name is not this model's.
  base::Result<void> check_model(const std::string& name) const;
  // The prefix with the request's own id, or one of this process.
  std::string next_id(std::string_view prefix, const std::string& request_id = "");
  AnswerContext answer_context(const HttpTask& task, std::string id, GenerationOptions options,
                               std::vector<std::vector<base::TokenId>> prompts) const;
  // {"id", "object": "model", ...}
  std::string model_json() const;

 private:
  const std::shared_ptr<const ServedModel> model_;
  engine::Generator& generator_;
  const ServiceOptions options_;
  const PromptBuilder prompts_;
  const std::int64_t started_;
  const std::uint64_t id_salt_;
  std::atomic<std::uint64_t> num_ids_{0};
};

}  // namespace fathom::serve
