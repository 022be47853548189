// Service: OpenAI's HTTP API over one model.
//
// Threads: handle() is called on the I/O thread and returns at once; a worker parses, renders and
// tokenizes; the engine's thread brings the answer. A client that goes away cancels its request.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/generator.h"
#include "net/http_server.h"
#include "serve/openai/request.h"
#include "serve/openai/response.h"
#include "serve/worker.h"
#include "tokenizer/template/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace fathom::serve {

struct ServedModel {
  std::string name;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::optional<tokenizer::ChatTemplate> chat_template;
};

class Service {
 public:
  // The generator must outlive the service.
  Service(ServedModel model, engine::Generator& generator);

  void handle(const std::shared_ptr<net::HttpExchange>& exchange);

 private:
  void handle_chat(const std::shared_ptr<net::HttpExchange>& exchange);
  void handle_completion(const std::shared_ptr<net::HttpExchange>& exchange);
  void generate(const std::shared_ptr<net::HttpExchange>& exchange, bool is_chat,
                CompletionOptions options, std::vector<base::TokenId> prompt);
  base::Result<std::vector<base::TokenId>> chat_prompt(const ChatRequest& request) const;
  base::Result<engine::GenerationRequest> generation_request(
      CompletionOptions options, std::vector<base::TokenId> prompt) const;
  bool is_served(const std::string& model, net::HttpExchange& exchange) const;
  std::string model_json() const;

  const ServedModel model_;
  engine::Generator& generator_;
  const std::int64_t started_;
  const std::uint64_t id_salt_;
  std::atomic<std::uint64_t> num_requests_{0};
  Worker worker_;  // last: its tasks use what stands above
};

}  // namespace fathom::serve
